package base_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// club is a network of three hosts: receivers on one, senders on all.
type club struct {
	*rig
	from map[string]*rig // by the sender's address
	af   int32
}

const (
	here4, there4, far4 = "10.0.0.1", "10.0.0.2", "10.0.0.3"
	here6, there6, far6 = "fd00::1", "fd00::2", "fd00::3"
)

func newClub(t *testing.T, af int32) *club {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	c := &club{rig: newRig(t, n), af: af}
	there := newRig(t, n.Host(netip.MustParseAddr(there4), netip.MustParseAddr(there6)))
	far := newRig(t, n.Host(netip.MustParseAddr(far4), netip.MustParseAddr(far6)))
	c.from = map[string]*rig{here4: c.rig, there4: there, far4: far, here6: c.rig, there6: there, far6: far}
	return c
}

// listen opens a receiver on port 5000, shared with others.
func (c *club) listen() *provider.Socket {
	c.t.Helper()
	s := c.socket(c.af, wsa.SOCK_DGRAM, 0)
	c.want("SO_REUSEADDR", c.set(s, wsa.SOL_SOCKET, wsa.SO_REUSEADDR, 1), 0)
	c.want("bind", c.table(s).WSPBind(s, provider.Any(c.af, 5000)), 0)
	return s
}

// say sends text from a host to a group or an address, port 5000.
func (c *club) say(from, to, text string) {
	c.t.Helper()
	r := c.from[from]
	s := r.socket(c.af, wsa.SOCK_DGRAM, 0)
	_, e := r.sendTo(s, netip.AddrPortFrom(netip.MustParseAddr(to), 5000).String(), text)
	r.want("send to "+to, e, 0)
	r.want("close", r.close(s, provider.CloseAbort), 0)
}

// heard are all datagrams that s can receive; Ready must have announced each and
// nothing else.
func (c *club) heard(s *provider.Socket) string {
	c.t.Helper()
	var all []string
	for {
		r := c.ready(s)
		text, _, e := c.recvFrom(s, 100)
		switch {
		case e == wsa.EWOULDBLOCK && r.Events&wsa.FD_READ == 0:
			if r.Queued != 0 {
				c.t.Errorf("%d bytes queued of nothing", r.Queued)
			}
			return strings.Join(all, " ")
		case e != 0 || r.Events&wsa.FD_READ == 0 || r.Queued < len(text):
			c.t.Fatalf("ready %+v, then %q %s", r, text, name(e))
		}
		all = append(all, text)
	}
}

func (c *club) is(what, got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("%s: heard %q, want %q", what, got, want)
	}
}

func families(t *testing.T, f func(t *testing.T, c *club, group, other, here, there, far string)) {
	t.Run("inet", func(t *testing.T) {
		f(t, newClub(t, wsa.AF_INET), "239.1.1.1", "239.1.1.2", here4, there4, far4)
	})
	t.Run("inet6", func(t *testing.T) {
		f(t, newClub(t, wsa.AF_INET6), "ff05::7", "ff05::8", here6, there6, far6)
	})
}

// option is a membership option of either family in its protocol-independent form.
func (c *club) option(s *provider.Socket, name int32, group string, source ...string) wsa.Errno {
	level := wsa.IPPROTO_IP
	if c.af == wsa.AF_INET6 {
		level = wsa.IPPROTO_IPV6
	}
	if len(source) == 0 {
		return c.member(s, level, name, groupReq(0, group))
	}
	return c.member(s, level, name, groupSourceReq(0, group, source[0]))
}

// TestGroupsHeard: a socket hears the groups that it has joined, not those of another
// socket of its machine, and unicast always (winsock-spi 7.4, spi-notes 1.5).
func TestGroupsHeard(t *testing.T) {
	families(t, func(t *testing.T, c *club, group, other, here, there, far string) {
		member, stranger := c.listen(), c.listen()
		talk := func(tag string) {
			c.say(there, group, "group"+tag)
			c.say(far, other, "other"+tag)
		}
		talk("0")
		c.is("before", c.heard(member), "")
		c.want("join", c.option(member, wsa.MCAST_JOIN_GROUP, group), 0)
		talk("1")
		c.is("member", c.heard(member), "group1")
		c.is("stranger", c.heard(stranger), "")
		c.want("join the other", c.option(stranger, wsa.MCAST_JOIN_GROUP, other), 0)
		talk("2")
		c.is("member", c.heard(member), "group2")
		c.is("member of the other", c.heard(stranger), "other2")
		c.say(there, group, "group3") // queued, and then not wanted any more
		c.want("leave", c.option(member, wsa.MCAST_LEAVE_GROUP, group), 0)
		c.is("left", c.heard(member), "")
		c.want("close", c.close(stranger, provider.CloseAbort), 0)
		c.say(there, here, "unicast")
		c.is("unicast", c.heard(member), "unicast")
	})
}

// TestSources: an any-source membership hears all but who is blocked, a
// source-specific one nobody but who was joined.
func TestSources(t *testing.T) {
	families(t, func(t *testing.T, c *club, group, other, here, there, far string) {
		s := c.listen()
		round := func(what, want string) {
			t.Helper()
			c.say(there, group, "there")
			c.say(far, group, "far")
			c.is(what, c.heard(s), want)
		}
		c.want("join", c.option(s, wsa.MCAST_JOIN_GROUP, group), 0)
		round("any", "there far")
		c.want("block", c.option(s, wsa.MCAST_BLOCK_SOURCE, group, there), 0)
		round("one blocked", "far")
		c.want("block", c.option(s, wsa.MCAST_BLOCK_SOURCE, group, far), 0)
		round("both blocked", "")
		c.want("unblock", c.option(s, wsa.MCAST_UNBLOCK_SOURCE, group, there), 0)
		round("one unblocked", "there")
		c.want("leave", c.option(s, wsa.MCAST_LEAVE_GROUP, group), 0)
		round("left", "")
		c.want("join source", c.option(s, wsa.MCAST_JOIN_SOURCE_GROUP, group, far), 0)
		round("one source", "far")
		c.want("join source", c.option(s, wsa.MCAST_JOIN_SOURCE_GROUP, group, there), 0)
		round("two sources", "there far")
		c.want("leave source", c.option(s, wsa.MCAST_LEAVE_SOURCE_GROUP, group, far), 0)
		round("the other source", "there")
		c.want("leave source", c.option(s, wsa.MCAST_LEAVE_SOURCE_GROUP, group, there), 0)
		round("no source", "")
	})
}

// TestMulticastLoop is the experiment of winsock-spi 7.4: the option acts at the
// receiver, whatever the sender's is.
func TestMulticastLoop(t *testing.T) {
	families(t, func(t *testing.T, c *club, group, _, here, there, _ string) {
		level := wsa.IPPROTO_IP
		if c.af == wsa.AF_INET6 {
			level = wsa.IPPROTO_IPV6
		}
		const loop = wsa.IP_MULTICAST_LOOP // and IPV6_MULTICAST_LOOP
		for _, v := range []struct {
			sender, receiver int
			want             string
		}{{1, 1, "x"}, {0, 1, "x"}, {1, 0, ""}, {0, 0, ""}} {
			sender, receiver := c.socket(c.af, wsa.SOCK_DGRAM, 0), c.listen()
			c.want("join", c.option(receiver, wsa.MCAST_JOIN_GROUP, group), 0)
			c.want("sender", c.set(sender, level, loop, v.sender), 0)
			c.want("receiver", c.set(receiver, level, loop, v.receiver), 0)
			_, e := c.sendTo(sender, netip.AddrPortFrom(netip.MustParseAddr(group), 5000).String(), "x")
			c.want("send", e, 0)
			c.is(fmt.Sprintf("sender %d, receiver %d", v.sender, v.receiver), c.heard(receiver), v.want)
			c.say(there, group, "another's")
			c.say(here, here, "unicast")
			c.is("what it is not about", c.heard(receiver), "another's unicast")
			c.close(receiver, provider.CloseAbort)
		}
	})
}

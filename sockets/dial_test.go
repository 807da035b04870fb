package sockets_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// policy denies by name or address.
type policy struct{ denied []string }

func (p policy) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (p policy) OnFailure() provider.OnFailure { return provider.FailClosed }

func (p policy) Decide(f provider.Facts, _ provider.Op) provider.Verdict {
	for _, n := range append(f.Names, f.Remote.Addr().String()) {
		if slices.Contains(p.denied, n) {
			return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES, Rule: n}
		}
	}
	return provider.Verdict{}
}

// hosts is a network with a name server at 10.0.0.53: names in a map.
func hosts(t *testing.T, names map[string][]string, layers ...provider.Layer) (*basetest.Network, *sockets.Session) {
	t.Helper()
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	dns := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: n.Host(netip.MustParseAddr("10.0.0.53"))})))
	c, err := dns.ListenPacket(t.Context(), "udp", "10.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	go serveDNS(c, names)
	s := startup(t, sockets.Config{
		Catalog: socketstest.Catalog(t, base.New(base.Config{Driver: n}), layers...),
		DNS:     []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53")},
	})
	return n, s
}

// serveDNS answers until c is closed.
func serveDNS(c net.PacketConn, names map[string][]string) {
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		var q dnsmessage.Message
		if q.Unpack(b[:n]) != nil || len(q.Questions) != 1 {
			continue
		}
		a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true}, Questions: q.Questions}
		addrs, known := names[strings.TrimSuffix(q.Questions[0].Name.String(), ".")]
		if !known {
			a.RCode = dnsmessage.RCodeNameError
		}
		h := dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1}
		for _, addr := range addrs {
			ip := netip.MustParseAddr(addr)
			if ip.Is4() && q.Questions[0].Type == dnsmessage.TypeA {
				a.Answers = append(a.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: ip.As4()}})
			}
			if ip.Is6() && q.Questions[0].Type == dnsmessage.TypeAAAA {
				a.Answers = append(a.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
			}
		}
		if p, err := a.Pack(); err == nil {
			c.WriteTo(p, from)
		}
	}
}

// web is a host with a listener on port 80 that accepts.
func web(t *testing.T, n *basetest.Network, addrs ...string) {
	t.Helper()
	var ips []netip.Addr
	for _, a := range addrs {
		ips = append(ips, netip.MustParseAddr(a))
	}
	s := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: n.Host(ips...)})))
	l, err := s.Listen(t.Context(), "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
}

func TestDialName(t *testing.T) {
	n, s := hosts(t, map[string][]string{"web.test": {"10.0.0.80"}, "denied.test": {"10.0.0.80"}}, policy{[]string{"denied.test"}})
	web(t, n, "10.0.0.80")
	c, err := s.DialContext(t.Context(), "tcp", "web.test:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o := c.(*sockets.TCPConn).Socket().Origin
	if o.Name != "web.test" || o.Destination.AddrPort != netip.MustParseAddrPort("10.0.0.80:80") || o.UID != -1 {
		t.Errorf("origin %+v", o)
	}
	_, err = s.DialContext(t.Context(), "tcp", "denied.test:80")
	if !errors.Is(err, os.ErrPermission) || !errors.Is(err, syscall.EACCES) {
		t.Errorf("denied by name: %v", err)
	}
	_, err = s.DialContext(t.Context(), "tcp", "nobody.test:80")
	if d := (*net.DNSError)(nil); !errors.As(err, &d) || !d.IsNotFound {
		t.Errorf("unknown name: %v", err)
	}
	_, err = s.DialContext(t.Context(), "tcp6", "web.test:80")
	if err == nil {
		t.Error("an IPv4 host was reached by IPv6")
	}
}

func TestDialWithoutDNS(t *testing.T) {
	s := start(t, new(script))
	_, err := s.DialContext(t.Context(), "tcp", "web.test:80")
	if d := (*net.DNSError)(nil); !errors.As(err, &d) || !strings.Contains(err.Error(), "Config.DNS") {
		t.Errorf("%v", err)
	}
}

// TestDialLocal: names and wildcards that mean this host are not looked up.
func TestDialLocal(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	s := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: n})))
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := s.Listen(t.Context(), "tcp", net.JoinHostPort(host, "80"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for address, want := range map[string]string{
		"localhost:80": "[::1]:80", ":80": "[::1]:80", "[::]:80": "[::1]:80", "0.0.0.0:80": "127.0.0.1:80", "a.localhost.:http": "[::1]:80",
	} {
		c, err := s.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if c.RemoteAddr().String() != want {
			t.Errorf("%s is %v, want %s", address, c.RemoteAddr(), want)
		}
		c.Close()
	}
}

// TestDialInterrupted: what ends a dial that nobody answers ends the attempt too.
func TestDialInterrupted(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(context.Context, *sockets.Dialer) (context.Context, context.CancelFunc)
		want error
	}{
		{"cancelled", func(ctx context.Context, _ *sockets.Dialer) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
		{"deadline", func(ctx context.Context, _ *sockets.Dialer) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, os.ErrDeadlineExceeded},
		{"timeout", func(ctx context.Context, d *sockets.Dialer) (context.Context, context.CancelFunc) {
			d.Timeout = time.Second
			return context.WithCancel(ctx)
		}, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := basetest.NewNetwork(basetest.NetworkConfig{})
				s := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: n})))
				d := &sockets.Dialer{Session: s}
				ctx, cancel := test.end(t.Context(), d)
				defer cancel()
				begin := time.Now()
				_, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(basetest.Blackhole4, 80).String())
				if !errors.Is(err, test.want) || time.Since(begin) != time.Second {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				if o, ok := err.(*net.OpError); !ok || o.Op != "dial" || o.Addr == nil {
					t.Errorf("%#v", err)
				}
				if n.Endpoints() != 0 {
					t.Error("the attempt goes on")
				}
			})
		})
	}
}

// TestDialFallsBack: RFC 8305 on a fake clock.
func TestDialFallsBack(t *testing.T) {
	const dead4, dead6 = "192.0.2.1", "2001:db8:dead::1"
	for _, test := range []struct {
		name  string
		addrs []string
		delay time.Duration // Dialer.FallbackDelay
		want  string        // the remote address, or "" for a time-out
		after time.Duration
	}{
		{"the first answers", []string{"fd00::80", "10.0.0.80"}, 0, "[fd00::80]:80", 0},
		{"the first is silent", []string{dead6, "10.0.0.80"}, 0, "10.0.0.80:80", 300 * time.Millisecond},
		{"the first is refused", []string{"fd00::81", "10.0.0.80"}, 0, "10.0.0.80:80", 0},
		{"delay", []string{dead6, "10.0.0.80"}, time.Second, "10.0.0.80:80", time.Second},
		{"one after the other", []string{dead6, "10.0.0.80"}, -1, "10.0.0.80:80", 5 * time.Second},
		{"all silent", []string{dead6, dead4}, 0, "", 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := hosts(t, map[string][]string{"web.test": test.addrs})
				web(t, n, "10.0.0.80", "fd00::80")
				n.Host(netip.MustParseAddr("fd00::81"))
				d := sockets.Dialer{Session: s, Timeout: 10 * time.Second, FallbackDelay: test.delay}
				begin, before := time.Now(), n.Endpoints()
				c, err := d.DialContext(t.Context(), "tcp", "web.test:80")
				if time.Since(begin) != test.after {
					t.Errorf("after %v, want %v", time.Since(begin), test.after)
				}
				if test.want == "" {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if c.RemoteAddr().String() != test.want {
					t.Errorf("connected to %v, want %s", c.RemoteAddr(), test.want)
				}
				c.Close()
				synctest.Wait()
				if n.Endpoints() != before {
					t.Errorf("%d endpoints open, %d before: the loser was not closed", n.Endpoints(), before)
				}
			})
		})
	}
}

func TestDialLocalAddr(t *testing.T) {
	n := basetest.NewNetwork(basetest.NetworkConfig{})
	s := socketstest.Start(t, socketstest.Catalog(t, base.New(base.Config{Driver: n})))
	web(t, n, "10.0.0.80")
	for _, local := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4000},
		&net.TCPAddr{Port: 4000},
		(*net.TCPAddr)(nil),
	} {
		d := sockets.Dialer{Session: s, LocalAddr: local}
		c, err := d.DialContext(t.Context(), "tcp", "10.0.0.80:80")
		if err != nil {
			t.Fatal(err)
		}
		if a := c.LocalAddr().String(); (a == "10.0.0.1:4000") == (local == (*net.TCPAddr)(nil)) {
			t.Errorf("asked for %v, got %s", local, a)
		}
		c.(*sockets.TCPConn).SetLinger(0)
		c.Close()
	}
}

// TestSelfConnect: a socket that met itself is no connection.
func TestSelfConnect(t *testing.T) {
	tries := 0
	b := &script{}
	b.table.WSPGetPeerName = func(k *provider.Socket) (provider.Addr, wsa.Errno) {
		if tries++; tries < 3 {
			return provider.Any(k.Family, 7), 0
		}
		return peer, 0
	}
	c := dial(t, start(t, b))
	if tries != 3 || c.RemoteAddr().String() != peer.String() || len(b.closed()) != 2 {
		t.Errorf("%d tries, %d closed, %v", tries, len(b.closed()), c.RemoteAddr())
	}
}

// TestDialRequest is what the chain is told.
func TestDialRequest(t *testing.T) {
	b := new(script)
	s := start(t, b)
	var wg sync.WaitGroup
	for network, address := range map[string]string{"tcp": "192.0.2.9:9", "udp": "[2001:db8::9]:53", "tcp6": "[2001:db8::9]:80"} {
		wg.Go(func() {
			c, err := s.DialContext(t.Context(), network, address)
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	wg.Wait()
	var got []string
	for _, q := range b.asked() {
		got = append(got, fmt.Sprintf("%s %s %s to %v %q", wsa.FamilyName(q.AF), wsa.TypeName(q.Type), wsa.ProtocolName(q.Protocol), q.Origin.Destination, q.Origin.Name))
	}
	slices.Sort(got)
	want := []string{`inet stream tcp to 192.0.2.9:9 ""`, `inet6 dgram udp to [2001:db8::9]:53 ""`, `inet6 stream tcp to [2001:db8::9]:80 ""`}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestDialTwoWinners: both families connect before either is done, and one
// connection is closed again.
func TestDialTwoWinners(t *testing.T) {
	connected := map[int32]chan struct{}{wsa.AF_INET: make(chan struct{}), wsa.AF_INET6: make(chan struct{})}
	b := &script{}
	b.table.WSPSetSockOpt = func(k *provider.Socket, _, name int32, _ []byte) wsa.Errno {
		if name == wsa.TCP_NODELAY { // the first thing after connecting
			close(connected[k.Family])
			<-connected[wsa.AF_INET]
			<-connected[wsa.AF_INET6]
		}
		return 0
	}
	s := start(t, b)
	d := sockets.Dialer{Session: s, FallbackDelay: time.Microsecond}
	c, err := d.DialContext(t.Context(), "tcp", "localhost:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if open := len(slices.Collect(s.Sockets())); open != 1 {
		t.Errorf("%d sockets are open after a dial", open)
	}
}

// TestFamilyOfDestination: an address is given to the chain in the form of the
// socket's family, or refused.
func TestFamilyOfDestination(t *testing.T) {
	var to provider.Addr
	b := &script{}
	b.table.WSPSendTo = func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		to = m.Addr
		return m.Len(), 0
	}
	s := start(t, b)
	for _, test := range []struct{ network, to, want string }{
		{"udp", "192.0.2.9:9", "[::ffff:192.0.2.9]:9"},
		{"udp", "[::ffff:192.0.2.9]:9", "[::ffff:192.0.2.9]:9"},
		{"udp", "[2001:db8::9]:9", "[2001:db8::9]:9"},
		{"udp4", "192.0.2.9:9", "192.0.2.9:9"},
		{"udp4", "[::ffff:192.0.2.9]:9", "192.0.2.9:9"},
		{"udp4", "[2001:db8::9]:9", ""},
		{"udp6", "[fe80::9%4]:9", "[fe80::9%4]:9"},
	} {
		p, err := s.ListenPacket(t.Context(), test.network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		to = provider.Addr{}
		_, err = p.(*sockets.UDPConn).WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort(test.to))
		if a := (*net.AddrError)(nil); to.String() != test.want || errors.As(err, &a) != (test.want == "") {
			t.Errorf("%s: sent to %v, %v; want %s", test.network, to, err, test.want)
		}
		if test.want != "" && (to.Family == wsa.AF_INET) != to.Addr().Is4() {
			t.Errorf("family %d of %v", to.Family, to)
		}
		p.Close()
	}
}

package host

import (
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider/wsa"
)

// changes are the Host's listeners to the kernel's news of addresses and routes
// (rtnetlink(7)). The one socket for all of them is there while there is one, among
// the poller's others: no goroutine waits for it.
type changes struct {
	host *Host

	mu    sync.Mutex // held while the functions run
	told  []*func(wsa.Events)
	open  bool
	fd    int
	token token
}

// groups of rtnetlink. A link that goes up or down takes its routes along.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

const anyNews = wsa.FD_ADDRESS_LIST_CHANGE | wsa.FD_ROUTING_INTERFACE_CHANGE

// Changes hears of the network namespace of the thread that calls it while nobody
// else listens. The functions run on the Host's goroutine.
func (h *Host) Changes(f func(wsa.Events)) (stop func(), e wsa.Errno) {
	c := &h.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		if e := c.listen(h); e != 0 {
			return nil, e
		}
	}
	own := &f
	c.told = append(c.told, own)
	return func() { c.stop(own) }, 0
}

func (c *changes) listen(h *Host) wsa.Errno {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return translate(opSocket, errnoOf(err))
	}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err == nil {
		c.token, err = h.poller.add(fd, unix.EPOLLIN|unix.EPOLLET, c)
	}
	if err != nil {
		unix.Close(fd)
		return translate(opSocket, errnoOf(err))
	}
	c.host, c.fd, c.open = h, fd, true
	return 0
}

func (c *changes) stop(own *func(wsa.Events)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = slices.DeleteFunc(c.told, func(f *func(wsa.Events)) bool { return f == own })
	if len(c.told) == 0 {
		c.end()
	}
}

func (c *changes) end() {
	if c.open {
		c.host.poller.remove(c.fd, c.token)
		unix.Close(c.fd)
		c.open = false
	}
}

// deliver takes what epoll reported. It may come after the socket's end.
func (c *changes) deliver(uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return
	}
	if news := c.read(); news != 0 {
		c.tell(news)
	}
}

func (c *changes) tell(news wsa.Events) {
	for _, f := range c.told {
		(*f)(news)
	}
}

// down is the Host's end: there is nothing to hear of any more, and no address.
func (c *changes) down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	c.tell(anyNews)
}

// read takes all messages and says what they are about. Lost ones (ENOBUFS) are about
// anything.
func (c *changes) read() (news wsa.Events) {
	var buf [8192]byte
	for {
		n, _, err := unix.Recvfrom(c.fd, buf[:], 0)
		switch errnoOf(err) {
		case 0:
			news |= newsIn(buf[:n])
		case syscall.EINTR:
		case syscall.ENOBUFS:
			news |= anyNews
		default: // EAGAIN: that was all
			return news
		}
	}
}

func newsIn(b []byte) (news wsa.Events) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return anyNews
	}
	for i := range messages {
		switch messages[i].Header.Type {
		case unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWLINK, unix.RTM_DELLINK:
			news |= anyNews
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			news |= wsa.FD_ROUTING_INTERFACE_CHANGE
		}
	}
	return news
}

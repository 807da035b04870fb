//go:build linux

package load

import (
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// windowSize is how many round trips are under way.
const windowSize = 64

// windowed has a fixed number of round trips under way on any number of
// connections: one thread and one epoll, so that what the client does is the same
// for few and for many. Go's poller and its goroutines cost more with each
// connection, which would be taken for the server's.
func (c *client) windowed() error {
	w := &windower{client: c, index: make(map[int32]int, c.Conns)}
	if err := w.open(); err != nil {
		return err
	}
	// One round trip on each first: what its first byte costs is not asked here.
	if err := w.turn(int64(c.Conns)); err != nil {
		return err
	}
	c.work(func() error { return w.turn(1000) })
	return nil
}

// windower is the client's only thread.
type windower struct {
	*client
	epoll int
	index map[int32]int // connection by descriptor
	next  int           // connection
	flies int           // round trips under way
	b     [pingSize]byte
}

func (w *windower) open() (err error) {
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	w.conns = append(w.conns, datagrams(w.epoll)) // stop closes it
	fds := make([]blocking, w.Conns)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for k := range openers {
		wg.Go(func() {
			for i := k; i < len(fds); i += openers {
				c, e := dialBlocking(netip.AddrPortFrom(w.Host, echoPort+many))
				mu.Lock()
				if fds[i] = c; e != nil && err == nil {
					err = fmt.Errorf("connection %d of %d: %w", i+1, len(fds), e)
				} else if e == nil {
					w.conns = append(w.conns, c)
				}
				failed := err != nil
				mu.Unlock()
				if failed {
					return
				}
			}
		})
	}
	wg.Wait()
	if err != nil {
		return err
	}
	w.conns = w.conns[:1]
	for i, c := range fds {
		w.conns = append(w.conns, c)
		w.index[int32(c)] = i
		if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, int(c), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c)}); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
	}
	return nil
}

// turn finishes n round trips, with as many more under way as before.
func (w *windower) turn(n int64) error {
	for ; w.flies < min(windowSize, w.Conns); w.flies++ {
		if err := w.send(); err != nil {
			return err
		}
	}
	var events [windowSize]unix.EpollEvent
	for n > 0 && !w.stopping.Load() {
		ready, err := unix.EpollWait(w.epoll, events[:], int(patience.Milliseconds()))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("epoll: %w", err)
		case ready == 0:
			return fmt.Errorf("no answer on any connection for %v", patience)
		}
		for _, e := range events[:ready] {
			if m, err := blocking(e.Fd).Read(w.b[:]); err != nil {
				return ended(err)
			} else if m != pingSize {
				return fmt.Errorf("an answer of %d bytes to %d", m, pingSize)
			}
			w.per[w.index[e.Fd]].Add(1)
			if err := w.send(); err != nil {
				return err
			}
			n--
		}
	}
	return nil
}

// send begins a round trip on the next connection. None is used twice at a time:
// there are more connections than round trips, but for tiny windows, where the
// order of answers is that of the connections.
func (w *windower) send() error {
	i := w.next
	w.next = (i + 1) % w.Conns
	_, err := w.conns[i+1].Write(w.b[:]) // the first is the epoll
	return err
}

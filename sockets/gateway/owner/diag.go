package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"
	"syscall"

	"github.com/netnsd/netnsd/provider/wsa"
)

// maxShared is how many sockets at one port are looked at.
const maxShared = 64

var (
	// ErrAmbiguous is of a port that more sockets share than are looked at.
	ErrAmbiguous   = errors.New("too many sockets at one port")
	errInterrupted = errors.New("the table changed while it was read")
	errGone        = fmt.Errorf("no such socket: %w", fs.ErrNotExist)
	errClosed      = fmt.Errorf("sock_diag: %w", fs.ErrClosed)
)

// conversation is a sock_diag descriptor, or what stands for one in a test. The
// kernel answers within the call that asks: receive never has to wait.
type conversation interface {
	send([]byte) error
	receive([]byte) (int, error)
	Close() error
}

// A Diag asks a network's kernel whose its sockets are (sock_diag(7)). It says
// nothing of other networks. Safe for concurrent use; one question at a time goes
// to the kernel.
type Diag struct {
	// Device is the index, in that network, of the device that flows come from: sockets
	// that are bound to it (SO_BINDTODEVICE, link-local addresses) are found, too.
	// Set it before the first question. 0 is none.
	Device uint32

	mu     sync.Mutex
	c      conversation
	seq    uint32
	buffer []byte
	closed bool
}

// answerBuffer is what the kernel fills at most (netlink_dump, SKB_WITH_OVERHEAD(32768)).
const answerBuffer = 32 << 10

func newDiag(c conversation) *Diag { return &Diag{c: c, buffer: make([]byte, answerBuffer)} }

// Close closes the descriptor.
func (d *Diag) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return d.c.Close()
}

// TCP finds the socket at local that is connected, or connects, to remote. The
// error is fs.ErrNotExist if there is none that belongs to a process, or the kernel
// cannot tell (CONFIG_INET_TCP_DIAG).
func (d *Diag) TCP(local, remote netip.AddrPort) (found Socket, err error) {
	local, remote = plain(local), plain(remote)
	if local.Addr().Is4() != remote.Addr().Is4() || !local.IsValid() {
		return Socket{}, fmt.Errorf("sock_diag: %v to %v: %w", local, remote, fs.ErrInvalid)
	}
	q := query{family: familyOf(local.Addr()), protocol: uint8(wsa.IPPROTO_TCP), src: local, dst: remote, device: d.Device}
	err = d.ask(&q, func(s Socket) { found = s })
	switch {
	case err != nil:
		return Socket{}, fmt.Errorf("sock_diag: TCP %v to %v: %w", local, remote, err)
	// The kernel falls back on a listener at the port, and shows what lingers after
	// a close with inode 0 and uid 0.
	case found.Local != local, found.Remote != remote, found.state == stateListen, found.Inode == 0:
		return Socket{}, fmt.Errorf("sock_diag: TCP %v to %v: %w", local, remote, errGone)
	}
	return found, nil
}

// UDP finds the sockets that a datagram from local can have come from: all that are
// bound to its port and can send its family. The error is fs.ErrNotExist if there are none, ErrAmbiguous if
// there are too many, errors.ErrUnsupported if the kernel cannot tell
// (CONFIG_INET_UDP_DIAG).
func (d *Diag) UDP(local netip.AddrPort) (all []Socket, err error) {
	local = plain(local)
	families := []uint8{familyV6}
	if local.Addr().Is4() {
		families = []uint8{familyV4, familyV6}
	}
	for _, f := range families {
		q := query{family: f, protocol: uint8(wsa.IPPROTO_UDP), dump: true, src: netip.AddrPortFrom(netip.Addr{}, local.Port())}
		err := d.dump(&q, func(s Socket) {
			if s.Local.Port() == local.Port() && !(local.Addr().Is4() && s.V6Only) && len(all) <= maxShared {
				all = append(all, s)
			}
		}, &all)
		switch {
		case err != nil:
			return nil, fmt.Errorf("sock_diag: UDP %v: %w", local, err)
		case len(all) > maxShared:
			return nil, fmt.Errorf("sock_diag: UDP %v: %w", local, ErrAmbiguous)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("sock_diag: UDP %v: %w", local, errGone)
	}
	return all, nil
}

// maxDumps bounds how often a table that changes is read again.
const maxDumps = 5

// dump asks again while the table changes; all is then put back.
func (d *Diag) dump(q *query, each func(Socket), all *[]Socket) (err error) {
	before := len(*all)
	for range maxDumps {
		*all = (*all)[:before]
		if err = d.ask(q, each); !errors.Is(err, errInterrupted) {
			break
		}
	}
	return err
}

// ask puts one question and reads the whole answer.
func (d *Diag) ask(q *query, each func(Socket)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	d.seq++
	q.seq = d.seq
	if err := d.c.send(q.marshal()); err != nil {
		return err
	}
	a := answer{seq: q.seq, each: each}
	err := d.hear(&a, q.dump)
	switch {
	case errors.Is(err, syscall.ENOENT) && q.dump:
		return fmt.Errorf("the kernel has no INET_UDP_DIAG: %w", errors.ErrUnsupported)
	case err != nil:
		d.drain()
		return err
	case a.interrupted:
		return errInterrupted
	}
	return nil
}

func (d *Diag) hear(a *answer, dump bool) error {
	for {
		n, err := d.c.receive(d.buffer)
		if err != nil {
			return err
		}
		done, err := a.parse(d.buffer[:n])
		if err != nil || done || a.sockets > 0 && !dump {
			return err
		}
	}
}

// maxPackets bounds what is left of an answer: 32 KiB each.
const maxPackets = 1 << 12

// drain takes in what is left of an answer that was given up: while there is any,
// the kernel begins no other (EBUSY).
func (d *Diag) drain() {
	for range maxPackets {
		if _, err := d.c.receive(d.buffer); err != nil {
			return
		}
	}
}

// plain is without zone, and IPv4 where it is mapped.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone("").Unmap(), a.Port())
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return familyV4
	}
	return familyV6
}

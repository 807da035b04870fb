//go:build linux

package opener

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// A Device is one that a Resident has made, or taken over, in a namespace. Close it
// when TUN is closed.
type Device struct {
	// TUN carries the packets, and is the caller's to close.
	TUN *tun.Device
	// Owners say whose the sockets inside are; they are the caller's, too, and have no
	// Log. Diag is nil where they cannot be had, Warning then says why.
	Owners  owner.Sources
	Warning string

	resident *Resident
	id       uint64
	gone     chan struct{}
}

// Open has the device of p made, down and without addresses if it is new, in the
// namespace that is at p.Netns, or is ns. It fails with the kernel's code, or the
// Resident's end; ns stays the caller's. It blocks for some milliseconds, or until
// others have had their turn.
func (r *Resident) Open(p Place, ns *os.File) (*Device, error) {
	if err := p.check(); err != nil { // it would be the end of the Resident
		return nil, fmt.Errorf("opener: %w: %w", err, unix.EINVAL)
	}
	var rights []int
	if p.Netns == "" {
		rights = []int{int(ns.Fd())}
	}
	a, err := r.call(question{Open: &p}, rights...)
	if err != nil {
		return nil, err
	}
	d, err := r.adopt(a, p.MTU)
	if err != nil {
		return nil, errors.Join(err, (&Device{resident: r, id: a.ID}).Close())
	}
	return d, nil
}

// adopt takes over what came.
func (r *Resident) adopt(a answered, mtu int) (*Device, error) {
	if a.Opened == nil || len(a.rights) < 2 || len(a.rights) > maxOpened {
		closeAll(a.rights)
		return nil, fmt.Errorf("opener: an answer with %d descriptors: %w", len(a.rights), unix.EBADMSG)
	}
	d := &Device{Warning: a.Warning, resident: r, id: a.ID, gone: a.gone}
	var err error
	if len(a.rights) == maxOpened {
		if d.Owners.Diag, err = owner.Adopt(a.rights[2]); err != nil {
			closeAll(a.rights[:2])
			return nil, err
		}
		d.Owners.Diag.Device = a.Opened.Index
		d.Owners.Processes, d.Owners.Partial = r.Processes(a.Opened.Network), a.Opened.Partial
	}
	d.TUN, err = tun.Adopt(a.rights[:1], tun.Config{MTU: mtu, Follow: &tun.Following{FD: a.rights[1], Index: int(a.Opened.Index)}})
	if err != nil {
		unix.Close(a.rights[0])
		if d.Owners.Diag != nil {
			err = errors.Join(err, d.Owners.Diag.Close())
		}
		return nil, err
	}
	return d, nil
}

// callWithin is how long a question about a device may take. A Resident that needs
// longer is stuck, and is given up: as if it had ended.
const callWithin = time.Minute

// call asks q and waits for its answer, or the Resident's end; so many at once that
// there is room for those who ask of sockets.
func (r *Resident) call(q question, rights ...int) (answered, error) {
	r.turns <- struct{}{}
	defer func() { <-r.turns }()
	c := make(chan answered, 1)
	if _, err := r.ask(q, c, rights...); err != nil {
		return answered{}, err
	}
	late := time.AfterFunc(callWithin, func() { r.conn.Close() })
	a, ok := <-c
	late.Stop()
	switch {
	case !ok:
		r.mu.Lock()
		defer r.mu.Unlock()
		return answered{}, r.broken
	case a.Error != nil:
		closeAll(a.rights)
		return answered{}, a.Error
	}
	return a, nil
}

// Look says why there is no network namespace at path that could be served; nil is
// that there is.
func (r *Resident) Look(path string) error {
	if err := checkPath(path, false); err != nil {
		return err
	}
	_, err := r.call(question{Look: path})
	return err
}

// Gone is closed when the namespace is not at its path any more.
func (d *Device) Gone() <-chan struct{} { return d.gone }

// SetUp brings the device up.
func (d *Device) SetUp() error {
	_, err := d.resident.call(question{SetUp: d.id})
	return err
}

// Configure gives a device that is up its addresses and routes, as far as they are not
// there. The warning is what the kernel there does not have.
func (d *Device) Configure() (warning string, err error) {
	a, err := d.resident.call(question{Configure: d.id})
	return a.Warning, err
}

// Close lets the Resident forget the device.
func (d *Device) Close() error {
	d.resident.mu.Lock()
	delete(d.resident.gone, d.id)
	d.resident.mu.Unlock()
	_, err := d.resident.call(question{Close: d.id})
	return err
}

//go:build linux

package opener

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/tun"
)

// maxDevices bounds those that a Resident holds.
const maxDevices = 4096

// held is what a Resident keeps of a device that it has handed over: not its
// descriptor, for whose packets it would be woken, too.
type held struct {
	place *Place
	there tun.Namespace // which no other device is in; zero until that is so

	mu    sync.Mutex // one thing at a time
	link  *tun.Link
	watch *tun.NetnsWatch // nil: nothing to be watched
	end   chan struct{}   // closed by close
	wait  sync.WaitGroup
}

var errNotHeld = fmt.Errorf("there is no such device: %w", unix.ENODEV)

// open makes the device of q and hands it over.
func (r *resident) open(q question, ns int) {
	h := &held{place: q.Open, end: make(chan struct{})}
	m, err := r.make(h, ns)
	if err != nil {
		_ = r.reply(done(q, "", err))
		return
	}
	h.mu.Lock() // what is asked of it next has to wait
	if err = r.keep(q.ID, h); err == nil {
		err = r.hand(q, m)
	}
	if err == nil && h.watch != nil {
		h.wait.Go(func() { r.watch(q.ID, h) }) // ended by close
	}
	h.mu.Unlock()
	if err = errors.Join(err, m.close()); err != nil { // of ours, of which there are copies
		r.mu.Lock()
		delete(r.devices, q.ID)
		r.mu.Unlock()
		_ = r.reply(done(q, "", errors.Join(err, r.close(h))))
	}
}

// watch tells that the namespace is gone.
func (r *resident) watch(id uint64, h *held) {
	select {
	case <-h.watch.Gone():
		_ = r.reply(reply{Gone: id})
	case <-h.end:
	}
}

// make makes the device, and watches its namespace.
func (r *resident) make(h *held, ns int) (m *made, err error) {
	if h.place.Netns == "" {
		err = isNetns(ns)
	} else {
		ns, err = enter(h.place.Netns)
	}
	if ns >= 0 {
		defer unix.Close(ns)
	}
	if err == nil && h.place.Netns != "" {
		h.watch, err = tun.WatchNetns(h.place.Netns)
	}
	if err == nil && h.watch != nil {
		err = h.still(ns)
	}
	if err == nil {
		err = r.claim(h, ns)
	}
	if err == nil {
		m, err = h.place.make(ns)
	}
	if err != nil {
		return nil, errors.Join(err, r.close(h))
	}
	h.link = m.link
	return m, nil
}

// claim has the namespace for h alone, whatever its name: of two devices the routes of
// the later would lead past the chain of the first.
func (r *resident) claim(h *held, ns int) error {
	there, err := namespaceOf(ns)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if by, ok := r.served[there]; ok {
		return fmt.Errorf("the namespace is served as %s already: %w", by.place.For, unix.EBUSY)
	}
	r.served[there], h.there = h, there
	return nil
}

// still says that what is watched is what was entered.
func (h *held) still(ns int) error {
	there, err := tun.NamespaceAt(h.place.Netns)
	if err != nil {
		return err
	}
	if entered, err := namespaceOf(ns); err != nil || there != entered {
		return errors.Join(err, namespaceError(h.place.Netns, unix.EAGAIN))
	}
	return nil
}

// hand hands the device over.
func (r *resident) hand(q question, m *made) (err error) {
	a := reply{ID: q.ID, Warning: m.warning, Opened: &opened{Index: uint32(m.link.Index()), Network: m.network, Partial: !allUsers()}}
	refused := m.device.SyscallConn(0).Control(func(fd uintptr) {
		rights := []int{int(fd), m.follow}
		if m.diag >= 0 {
			rights = append(rights, m.diag)
		}
		err = r.reply(a, rights...)
	})
	return errors.Join(refused, err)
}

func (r *resident) keep(id uint64, h *held) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.devices) >= maxDevices {
		return fmt.Errorf("%d devices are held: %w", len(r.devices), unix.EMFILE)
	}
	r.devices[id] = h
	return nil
}

// serves does what q asks of a device that is held.
func (r *resident) serves(q question) reply {
	if q.Close != 0 {
		return done(q, "", r.drop(q.Close))
	}
	r.mu.Lock()
	h := r.devices[q.SetUp+q.Configure] // one of them is 0
	r.mu.Unlock()
	if h == nil {
		return done(q, "", errNotHeld)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if q.SetUp != 0 {
		return done(q, "", h.link.SetUp())
	}
	warning, err := h.place.configure(h.link)
	return done(q, warning, err)
}

// drop lets a device go.
func (r *resident) drop(id uint64) error {
	r.mu.Lock()
	h := r.devices[id]
	delete(r.devices, id)
	r.mu.Unlock()
	if h == nil {
		return errNotHeld
	}
	return r.close(h)
}

// close lets go of all that h has; the device itself is the data plane's.
func (r *resident) close(h *held) (err error) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.served[h.there] == h {
			delete(r.served, h.there)
		}
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.end)
	h.wait.Wait()
	if h.link != nil {
		err = h.link.Close()
	}
	if h.watch != nil {
		err = errors.Join(err, h.watch.Close())
	}
	return err
}

package provider

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// A Process is what is known of who holds a socket. A zero field is unknown. Where
// several processes hold one socket, a field is known if they are all alike in it.
type Process struct {
	PID        int    `json:"pid,omitempty"`     // as the /proc counts that was read
	Started    uint64 `json:"started,omitempty"` // clock ticks since boot (proc_pid_stat(5), starttime); tells a pid from its reuse
	Executable string `json:"exe,omitempty"`     // absolute path, as the process's own mounts have it
	Deleted    bool   `json:"deleted,omitempty"` // Executable has been removed or replaced since the process began
	Argv0      string `json:"argv0,omitempty"`   // what the process calls itself: no proof of anything
	CGroup     string `json:"cgroup,omitempty"`  // path of its control group, from the root down
}

// Processes finds who holds a socket.
type Processes interface {
	// ByInode finds the process that holds the socket of that inode. It ends with
	// ctx. The error is fs.ErrNotExist if there is none: the socket is closed, or
	// whoever holds it may not be looked at.
	ByInode(ctx context.Context, inode uint64) (Process, error)
}

// Owners finds whose socket a flow of a network comes from. It is asked on the
// path of a connect, and of datagrams, so what it asks in turn has to be near, and
// every answer bounded in time.
type Owners interface {
	// Socket finds the socket at local that a flow to remote comes from: its uid, -1 if
	// that is not known, and its inode. Of datagrams it cannot be told which of
	// several sockets at one port has sent them: all inodes are named, and uid is that
	// of all.
	Socket(protocol int32, local, remote netip.AddrPort) (uid int, inodes []uint64)
	// Holder is the process that holds all these sockets.
	Holder(inodes []uint64) (Process, bool)
}

// An Owner is whose socket a flow comes from: looked up when a layer asks, and
// kept. It must not be copied once it is in use; an Origin points to it.
type Owner struct {
	Owners        Owners
	Protocol      int32
	Local, Remote netip.AddrPort // as the network has them that the flow comes from

	// Fresh is how long an answer is good for; 0 is as long as the Owner is. A
	// connection has one socket all its life, while the port that datagrams come
	// from may be another's soon.
	Fresh time.Duration

	mu  sync.Mutex
	got *ownerAnswer // nil until somebody asks
}

// ownerAnswer is what was found out, and when.
type ownerAnswer struct {
	at      time.Time
	uid     int // -1: unknown
	inodes  []uint64
	looked  bool // for the process
	held    bool
	process Process
}

// User is the owner's uid.
func (w *Owner) User() (uid int, ok bool) {
	if w == nil {
		return -1, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.ask()
	return a.uid, a.uid >= 0
}

// Process is the process that holds the socket.
func (w *Owner) Process() (Process, bool) {
	if w == nil {
		return Process{}, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.ask()
	if !a.looked && len(a.inodes) > 0 {
		a.process, a.held = w.Owners.Holder(a.inodes)
	}
	a.looked = true
	return a.process, a.held
}

func (w *Owner) ask() *ownerAnswer {
	if w.got != nil && (w.Fresh == 0 || time.Since(w.got.at) < w.Fresh) {
		return w.got
	}
	w.got = &ownerAnswer{at: time.Now()}
	w.got.uid, w.got.inodes = w.Owners.Socket(w.Protocol, w.Local, w.Remote)
	return w.got
}

// seen is what was found out so far; it asks nobody.
func (w *Owner) seen() (uid int, p Process) {
	if w == nil {
		return -1, Process{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.got == nil {
		return -1, Process{}
	}
	return w.got.uid, w.got.process
}

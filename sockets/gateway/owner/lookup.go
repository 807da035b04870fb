package owner

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// DefaultTimeout is Sources.Timeout if that is 0.
const DefaultTimeout = 2 * time.Second

// NoUser is the uid that the kernel gives for one that a user namespace does not
// know (/proc/sys/kernel/overflowuid, which nobody changes).
const NoUser = 65534

// Sources are what a Lookup asks.
type Sources struct {
	// Diag is the Lookup's from now on. nil: nothing is known.
	Diag *Diag
	// Processes finds who holds a socket; nil: only uids are known.
	Processes provider.Processes
	// Partial says that Diag was opened in a user namespace that does not know all
	// uids: NoUser is then anybody, that is, unknown.
	Partial bool
	// Timeout bounds a question to Processes.
	Timeout time.Duration
	// Log hears, at level debug, why something is not known; nil: discarded.
	Log *slog.Logger
}

// A Lookup is a provider.Owners. The zero value knows nothing, until Use.
type Lookup struct{ sources atomic.Pointer[Sources] }

var _ provider.Owners = (*Lookup)(nil)

// Use has the Lookup ask s from now on, and closes the Diag that it asked before.
func (l *Lookup) Use(s Sources) error {
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if old := l.sources.Swap(&s); old != nil && old.Diag != nil && old.Diag != s.Diag {
		return old.Diag.Close()
	}
	return nil
}

// Close has the Lookup know nothing, and closes its Diag. A question to Processes
// that is being put is not waited for.
func (l *Lookup) Close() error { return l.Use(Sources{}) }

// Socket implements provider.Owners.
func (l *Lookup) Socket(protocol int32, local, remote netip.AddrPort) (uid int, inodes []uint64) {
	s := l.sources.Load()
	if s == nil || s.Diag == nil {
		return -1, nil
	}
	var all []Socket
	var err error
	switch protocol {
	case wsa.IPPROTO_TCP:
		var one Socket
		one, err = s.Diag.TCP(local, remote)
		all = []Socket{one}
	case wsa.IPPROTO_UDP:
		all, err = s.Diag.UDP(local)
	default:
		return -1, nil
	}
	if err != nil {
		s.Log.Debug("the owner of a flow is not known", "src", local, "dst", remote, "error", err)
		return -1, nil
	}
	return s.agreed(all)
}

// agreed is what can be said of all the sockets.
func (s *Sources) agreed(all []Socket) (uid int, inodes []uint64) {
	uid = int(all[0].UID)
	for _, x := range all {
		if x.Inode == 0 { // the kernel's own
			return -1, nil
		}
		if int(x.UID) != uid {
			uid = -1
		}
		inodes = append(inodes, uint64(x.Inode))
	}
	if s.Partial && uid == NoUser {
		uid = -1
	}
	return uid, inodes
}

// Holder implements provider.Owners.
func (l *Lookup) Holder(inodes []uint64) (p provider.Process, ok bool) {
	s := l.sources.Load()
	if s == nil || s.Processes == nil || len(inodes) == 0 {
		return p, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	var all []provider.Process
	for _, inode := range inodes {
		one, err := s.Processes.ByInode(ctx, inode)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.Log.Debug("the process of a flow is not known", "inode", inode, "error", err)
			}
			return provider.Process{}, false
		}
		all = append(all, one)
	}
	p = Common(all)
	return p, p != provider.Process{}
}

// Common is what all the processes are alike in.
func Common(all []provider.Process) (p provider.Process) {
	for i, q := range all {
		if i == 0 {
			p = q
			continue
		}
		if p.PID != q.PID || p.Started != q.Started {
			p.PID, p.Started = 0, 0
		}
		if p.Executable != q.Executable || p.Deleted != q.Deleted {
			p.Executable, p.Deleted = "", false
		}
		if p.Argv0 != q.Argv0 {
			p.Argv0 = ""
		}
		if p.CGroup != q.CGroup {
			p.CGroup = ""
		}
	}
	return p
}

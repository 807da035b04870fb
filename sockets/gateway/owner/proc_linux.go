package owner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/provider"
)

// Limits of one reading of /proc. Beyond them nothing is known: an answer that
// leaves somebody out could be wrong.
const (
	maxDescriptors = 1 << 17 // of all processes of the network together
	maxHolders     = 1 << 10 // of one socket
)

// How long an answer is kept, and how many are.
const (
	keepAnswer  = time.Second
	keepAnswers = 4096
)

var (
	errTooMany = errors.New("/proc: too many descriptors or holders to tell")
	errNobody  = fmt.Errorf("/proc: no process holds the socket: %w", fs.ErrNotExist)
)

// A Proc is the provider.Processes that reads /proc (proc(5)), of one network. A
// reading goes over all processes, and over the descriptors of those that live in
// the network; it serves everybody who asks until it begins. An answer is kept for
// a second, as long as those who held the socket live and execute what they did.
//
// Processes that the caller may not look at are passed over: unless it has
// CAP_SYS_PTRACE, those of other users. Safe for concurrent use.
type Proc struct {
	root    string // "/proc"
	network uint64
	now     func() time.Time

	turn chan struct{} // has the one place of who reads

	mu    sync.Mutex
	next  *reading // that has not begun
	known map[uint64]holders
}

// reading is one pass over /proc.
type reading struct {
	wanted map[uint64]holders
	done   chan struct{} // closed when wanted has the answers, or err says why not
	err    error
}

// holders are those who hold one socket.
type holders struct {
	all []provider.Process
	at  time.Time
}

// NewProc makes a Proc of the network namespace with this number, see NetworkOf.
func NewProc(network uint64) *Proc {
	return &Proc{root: "/proc", network: network, now: time.Now, turn: make(chan struct{}, 1), known: make(map[uint64]holders)}
}

// NetworkOf is the number of the network namespace that file stands for:
// /proc/PID/ns/net, /run/netns/NAME.
func NetworkOf(file string) (uint64, error) {
	st, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return st.Sys().(*syscall.Stat_t).Ino, nil
}

// ByInode implements provider.Processes.
func (p *Proc) ByInode(ctx context.Context, inode uint64) (provider.Process, error) {
	if all, ok := p.kept(inode); ok {
		return Common(all), nil
	}
	for {
		all, err := p.join(ctx, inode)
		switch {
		case err == nil && len(all) == 0:
			return provider.Process{}, errNobody
		case err == nil:
			return Common(all), nil
		// Who led the reading gave up; that is no reason for us.
		case errors.Is(err, errLeaderGone) && ctx.Err() == nil:
		default:
			return provider.Process{}, err
		}
	}
}

var errLeaderGone = errors.New("/proc: given up")

// join takes part in the next reading; who is its first leads it.
func (p *Proc) join(ctx context.Context, inode uint64) ([]provider.Process, error) {
	p.mu.Lock()
	r, leads := p.next, false
	if r == nil {
		r, leads = &reading{wanted: make(map[uint64]holders), done: make(chan struct{})}, true
		p.next = r
	}
	r.wanted[inode] = holders{}
	p.mu.Unlock()
	if leads {
		p.lead(ctx, r)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return r.wanted[inode].all, r.err
}

// lead reads, when nobody else does.
func (p *Proc) lead(ctx context.Context, r *reading) {
	defer close(r.done)
	var err error
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	p.next = nil
	p.mu.Unlock()
	if err == nil {
		err = p.read(ctx, r.wanted)
	}
	switch {
	case err == nil:
		p.keep(r.wanted)
	case ctx.Err() != nil:
		r.err = errors.Join(errLeaderGone, ctx.Err())
	default:
		r.err = err
	}
}

// kept is an answer that still holds.
func (p *Proc) kept(inode uint64) ([]provider.Process, bool) {
	p.mu.Lock()
	h, ok := p.known[inode]
	p.mu.Unlock()
	if !ok || p.now().Sub(h.at) >= keepAnswer {
		return nil, false
	}
	for _, was := range h.all {
		if !p.still(was) {
			return nil, false
		}
	}
	return h.all, true
}

func (p *Proc) keep(found map[uint64]holders) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known)+len(found) > keepAnswers {
		clear(p.known)
	}
	now := p.now()
	for inode, h := range found {
		if len(h.all) > 0 {
			p.known[inode] = holders{h.all, now}
		}
	}
}

//go:build linux

package opener

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
)

// answersEnv is there in a process that is to answer on descriptor 3.
const (
	answersEnv = "NETNSD_OPENER_ANSWERS"
	answersFD  = 3
)

// Limits of a Resident. A question beyond the first waits, in the socket.
const (
	maxAsked     = 64 // at once
	maxNetworks  = 256
	answerWithin = 5 * time.Second
)

// answers is the life of a Resident: until the data plane ends, or hangs up.
func answers() int {
	unix.CloseOnExec(answersFD)
	r := resident{networks: make(map[uint64]provider.Processes), look: func(n uint64) provider.Processes { return owner.NewProc(n) }}
	if r.reply(reply{Means: confine.Onlooker()}) == nil {
		r.serve()
	}
	return 0
}

// resident is the Resident's own side.
type resident struct {
	look func(network uint64) provider.Processes

	mu       sync.Mutex
	networks map[uint64]provider.Processes
}

func (r *resident) serve() {
	turn := make(chan struct{}, maxAsked)
	buf := make([]byte, maxQuestion+1)
	for {
		var n int
		err := retry(func() (err error) { n, err = unix.Read(answersFD, buf); return err })
		if err != nil || n <= 0 {
			return // whoever is still looking ends with us
		}
		q, err := parseQuestion(buf[:n])
		if err != nil {
			return // nobody whom we know asks so
		}
		turn <- struct{}{}
		go func() {
			defer func() { <-turn }()
			_ = r.reply(r.find(q)) // an error is the end, and seen above
		}()
	}
}

// find looks, for a bounded time.
func (r *resident) find(q question) reply {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	p, err := r.network(q.Network).ByInode(ctx, q.Inode)
	a := reply{ID: q.ID}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.Nobody = true
	case err != nil:
		a.Failed = err.Error()
	default:
		a.Process = &p
	}
	return a
}

func (r *resident) network(number uint64) provider.Processes {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.networks[number]
	if !ok {
		if len(r.networks) >= maxNetworks {
			clear(r.networks)
		}
		p = r.look(number)
		r.networks[number] = p
	}
	return p
}

// reply sends one packet.
func (r *resident) reply(a reply) error {
	a.Version = version
	b, err := json.Marshal(a)
	if err == nil && len(b) > maxReply {
		b, err = json.Marshal(reply{Version: version, ID: a.ID, Failed: "what is known of the process is too long"})
	}
	if err != nil {
		return err
	}
	return retry(func() error { _, err := unix.Write(answersFD, b); return os.NewSyscallError("write", err) })
}

//go:build linux

package opener

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/sockets/gateway/owner"
	"github.com/netnsd/netnsd/tun"
)

// answersEnv is there in a process that is to answer on descriptor 3, as which one.
const (
	answersEnv = "NETNSD_OPENER_ANSWERS"
	answersFD  = 3

	asOnlooker = "onlooker" // says who holds a socket
	asOpener   = "opener"   // makes devices, too
)

// Limits of a Resident. A question beyond the first waits, in the socket.
const (
	maxAsked     = 64 // at once
	maxNetworks  = 256
	answerWithin = 5 * time.Second
)

// answers is the life of a Resident: until the data plane ends, or hangs up. A service
// manager that ends us both would keep the data plane from draining, if it ended us.
func answers(as string) int {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	unix.CloseOnExec(answersFD)
	r := resident{networks: make(map[uint64]provider.Processes), look: func(n uint64) provider.Processes { return owner.NewProc(n) }}
	hold := confine.Onlooker
	if as == asOpener {
		r.devices, r.served, hold = make(map[uint64]*held), make(map[tun.Namespace]*held), confine.Opener
	}
	if r.reply(reply{Means: hold()}) == nil {
		r.serve()
	}
	return 0
}

// resident is the Resident's own side.
type resident struct {
	look func(network uint64) provider.Processes

	mu       sync.Mutex
	networks map[uint64]provider.Processes
	devices  map[uint64]*held // nil: it does not open
	served   map[tun.Namespace]*held
}

func (r *resident) serve() {
	turn := make(chan struct{}, maxAsked)
	buf, oob := make([]byte, maxQuestion+1), make([]byte, unix.CmsgSpace(4))
	for {
		q, ns, err := next(buf, oob)
		if err != nil {
			return // whoever is still looking ends with us
		}
		if q.opens() && r.devices == nil {
			return // nobody whom we know asks so
		}
		turn <- struct{}{}
		go func() {
			defer func() { <-turn }()
			r.answer(q, ns)
		}()
	}
}

// next is the next question, and the namespace that came with it, -1 if none is to.
// What is too long, malformed or without its descriptor is an error.
func next(buf, oob []byte) (q question, ns int, err error) {
	var n, oobn, flags int
	err = retry(func() (err error) {
		n, oobn, flags, _, err = unix.Recvmsg(answersFD, buf, oob, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil || n <= 0 {
		return q, -1, errors.Join(err, io.EOF)
	}
	var rights []int
	if oobn > 0 {
		if rights, err = rightsOf(oob[:oobn]); err != nil {
			return q, -1, err
		}
	}
	if q, err = parseQuestion(buf[:n]); err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = unix.EMSGSIZE
	}
	switch wanted := q.Open != nil && q.Open.Netns == ""; {
	case err != nil:
	case !wanted && len(rights) == 0:
		return q, -1, nil
	case wanted && len(rights) == 1:
		return q, rights[0], nil
	default:
		err = unix.EBADMSG
	}
	closeAll(rights)
	return q, -1, err
}

// answer does what q asks; ns is its own from now on. An error of reply is the end,
// and seen by serve.
func (r *resident) answer(q question, ns int) {
	switch {
	case q.Open != nil:
		r.open(q, ns)
	case q.Look != "":
		fd, err := enter(q.Look)
		if err == nil {
			unix.Close(fd)
		}
		_ = r.reply(done(q, "", err))
	case q.opens():
		_ = r.reply(r.serves(q))
	default:
		_ = r.reply(r.find(q))
	}
}

// done is the reply to q: that all was done, or why nothing was.
func done(q question, warning string, err error) reply {
	a := reply{ID: q.ID, Warning: warning}
	if err != nil {
		a.Error = failure("", err)
	}
	return a
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

// reply sends one packet, and descriptors with it.
func (r *resident) reply(a reply, rights ...int) error {
	a.Version = version
	b, err := json.Marshal(a)
	if err == nil && len(b) > maxReply {
		b, err = json.Marshal(reply{Version: version, ID: a.ID, Failed: "what is known of the process is too long"})
	}
	if err != nil {
		return err
	}
	var oob []byte
	if len(rights) > 0 {
		oob = unix.UnixRights(rights...)
	}
	return retry(func() error { return unix.Sendmsg(answersFD, b, oob, nil, unix.MSG_NOSIGNAL) })
}

//go:build linux

package opener

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider"
)

// A Resident is the opener that stays: a process which answers who holds a socket,
// and makes devices if it is one that opens. The data plane may not do so itself once
// it is confined. It ends with the data plane, however that ends. Safe for concurrent
// use.
type Resident struct {
	process *exec.Cmd
	conn    *net.UnixConn
	read    sync.WaitGroup
	turns   chan struct{} // of questions about devices
	ended   chan struct{}

	mu     sync.Mutex
	last   uint64                   // ID
	asked  map[uint64]chan answered // each has room
	gone   map[uint64]chan struct{} // of each device, closed when its namespace is
	broken error                    // no reply will come any more
}

// answered is a reply with what came with it.
type answered struct {
	reply
	rights []int
	gone   chan struct{} // of a device
}

// readyWithin bounds how long a Resident may take to confine itself.
const readyWithin = 30 * time.Second

// Stay starts a Resident and waits until it has confined itself; what holds it are
// the means. It has the caller's privileges to begin with, so it comes before
// confine.Self, which does not let a process be started either.
func Stay() (*Resident, []confine.Mean, error) { return reside(asOnlooker) }

// StayOpen is Stay with a Resident that opens.
func StayOpen() (*Resident, []confine.Mean, error) { return reside(asOpener) }

func reside(as string) (_ *Resident, means []confine.Mean, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, failure("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "opener")
	defer theirs.Close()
	ours := os.NewFile(uintptr(pair[0]), "opener")
	conn, err := net.FileConn(ours)
	if err = errors.Join(err, ours.Close()); err != nil {
		return nil, nil, failure("socketpair", err)
	}
	r := &Resident{
		conn: conn.(*net.UnixConn), turns: make(chan struct{}, maxAsked/2), ended: make(chan struct{}),
		asked: make(map[uint64]chan answered), gone: make(map[uint64]chan struct{}),
	}
	r.process = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{Name}, Env: []string{answersEnv + "=" + as, "GOMAXPROCS=1"}, Dir: "/",
		Stderr: os.Stderr, ExtraFiles: []*os.File{theirs},
		// Keys of the terminal are not for it.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := markAll(); err != nil { // what we have inherited is not for it
		return nil, nil, errors.Join(failure("resident", err), conn.Close())
	}
	if err := r.process.Start(); err != nil {
		return nil, nil, errors.Join(failure("resident", err), conn.Close())
	}
	theirs.Close() // so that its end is the end of file
	if means, err = r.ready(); err != nil {
		return nil, nil, errors.Join(failure("resident", err), r.Close())
	}
	r.read.Go(r.receive)
	return r, means, nil
}

func (r *Resident) ready() ([]confine.Mean, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(readyWithin)); err != nil {
		return nil, err
	}
	first, err := r.next(make([]byte, maxReply), make([]byte, unix.CmsgSpace(4*maxOpened)))
	closeAll(first.rights)
	if err != nil {
		return nil, err
	}
	return first.Means, r.conn.SetReadDeadline(time.Time{})
}

// maxOpened are the descriptors of a device: the TUN, what follows it, sock_diag.
const maxOpened = 3

// next is the next message; io.EOF is the Resident's end.
func (r *Resident) next(buf, oob []byte) (a answered, err error) {
	n, oobn, _, _, err := r.conn.ReadMsgUnix(buf, oob)
	if n == 0 && err == nil { // how SEQPACKET ends
		err = io.EOF
	}
	if oobn > 0 {
		var e error
		a.rights, e = rightsOf(oob[:oobn])
		err = errors.Join(err, e)
	}
	if err == nil {
		a.reply, err = parseReply(buf[:n])
	}
	return a, err
}

// receive hands replies to who has asked; who has given up has none.
func (r *Resident) receive() {
	buf, oob := make([]byte, maxReply), make([]byte, unix.CmsgSpace(4*maxOpened))
	for {
		a, err := r.next(buf, oob)
		if err != nil {
			closeAll(a.rights)
			r.hungUp(err)
			return
		}
		r.deliver(a)
	}
}

func (r *Resident) hungUp(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = fmt.Errorf("opener: it does not answer any more: %w", err)
	for id, c := range r.asked {
		delete(r.asked, id)
		close(c)
	}
	close(r.ended)
}

func (r *Resident) deliver(a answered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone := r.gone[a.Gone]; gone != nil && a.ID == 0 {
		delete(r.gone, a.Gone)
		close(gone)
	}
	c := r.asked[a.ID]
	if c == nil {
		closeAll(a.rights)
		return
	}
	delete(r.asked, a.ID)
	if a.Opened != nil { // its end may be the next message
		a.gone = make(chan struct{})
		r.gone[a.ID] = a.gone
	}
	c <- a
}

// Ended is closed when the Resident has ended, or was closed.
func (r *Resident) Ended() <-chan struct{} { return r.ended }

// Processes asks of the sockets in the network namespace of that number.
func (r *Resident) Processes(network uint64) provider.Processes { return neighbours{r, network} }

type neighbours struct {
	resident *Resident
	network  uint64
}

// ByInode implements provider.Processes. When the Resident has ended, every answer
// is an error.
func (n neighbours) ByInode(ctx context.Context, inode uint64) (provider.Process, error) {
	r := n.resident
	c := make(chan answered, 1)
	id, err := r.ask(question{Network: n.network, Inode: inode}, c)
	if err != nil {
		return provider.Process{}, err
	}
	select {
	case a, ok := <-c:
		if ok {
			return a.answer()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return provider.Process{}, r.broken
	case <-ctx.Done():
		r.forget(id)
		return provider.Process{}, ctx.Err()
	}
}

// ask sends q and has its reply go to c. It fails rather than wait if there are too
// many questions already.
func (r *Resident) ask(q question, c chan answered, rights ...int) (id uint64, err error) {
	r.mu.Lock()
	switch {
	case r.broken != nil:
		err = r.broken
	case !q.opens() && len(r.asked) >= maxAsked: // those about devices take turns
		err = fmt.Errorf("opener: %d questions are waiting: %w", maxAsked, unix.EAGAIN)
	default:
		r.last++
		q.ID = r.last
		r.asked[q.ID] = c
	}
	r.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if err = r.send(q, rights); err != nil {
		r.forget(q.ID)
	}
	return q.ID, err
}

func (r *Resident) send(q question, rights []int) error {
	q.Version = version
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	if len(b) > maxQuestion {
		return fmt.Errorf("opener: a question of %d bytes: %w", len(b), unix.EMSGSIZE)
	}
	var oob []byte
	if len(rights) > 0 {
		oob = unix.UnixRights(rights...)
	}
	// Those who have given up are not counted, so the socket can be full all the same.
	if err := r.conn.SetWriteDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	_, _, err = r.conn.WriteMsgUnix(b, oob, nil) // a packet: no two are mixed
	return err
}

func (r *Resident) forget(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.asked, id)
}

// Close ends the process and waits for it. Questions that are open fail.
func (r *Resident) Close() error {
	if r == nil {
		return nil
	}
	err := r.conn.Close()
	// It would end by itself, at the end of file. It has nothing to put in order. Who is
	// confined may not kill it, and need not, but for one that is stopped.
	_ = r.process.Process.Kill()
	ended := make(chan struct{})
	go func() { // ends with the process
		_ = r.process.Wait() // "signal: killed"
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(readyWithin):
		err = errors.Join(err, fmt.Errorf("opener: process %d does not end", r.process.Process.Pid))
	}
	r.read.Wait()
	return err
}

package socketstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netnsd/netnsd/sockets/socketstest"
)

// player plays a script on one network. What it does next depends on the script and
// on what it knows must be so, never on what a step has come to, so that it does the
// same everywhere. It never looks at what may not have arrived yet: it first reads,
// with a long deadline, what shows that it has.
type player struct {
	t         *testing.T
	p         socketstest.Pair
	listeners [2]*scriptListener
	conns     [4]*scriptConn
	packets   [3]*scriptPacket
	all       []io.Closer
	results   []result
	tag       byte
}

const (
	scriptStep     = 4
	maxScriptSteps = 120
	scriptPatience = 10 * time.Second // what comes takes no time; who waits as long has found something
)

type scriptListener struct {
	net.Listener
	at      int
	pending []*scriptConn // dialled and not accepted
	closed  bool
	past    bool
}

type scriptConn struct {
	net.Conn
	name     string
	peer     *scriptConn // nil until it is accepted
	early    *scriptConn // what the peer will know then
	incoming []int       // sizes of writes that are not read, of the last one what is left
	fin      bool        // the peer has sent its FIN, behind incoming
	reset    bool        // the peer has reset, behind incoming
	seen     bool        // we have read the reset
	closed   bool
	noRead   bool // by CloseRead
	noWrite  bool // by CloseWrite
	past     [2]bool
	broken   bool // there is no telling how it stands
}

type scriptPacket struct {
	net.PacketConn
	conn     net.Conn // the same; of dialPacket only
	name     string
	peer     *scriptPacket // connected
	incoming []scriptDatagram
	closed   bool
	past     bool
}

type scriptDatagram struct {
	data string
	from *scriptPacket
}

// play runs code, and returns what its steps came to.
func play(t *testing.T, p socketstest.Pair, code []byte) []result {
	s := &player{t: t, p: p}
	defer func() {
		for _, c := range s.all {
			c.Close()
		}
	}()
	for n := 0; len(code) >= scriptStep && n < maxScriptSteps && !t.Failed(); n++ {
		step := scriptSteps.all[int(code[0])%len(scriptSteps.all)]
		before := len(s.results)
		step.run(s, code[1], code[2], code[3])
		if len(s.results) > before {
			scriptSteps.count(step.name)
		}
		code = code[scriptStep:]
	}
	return s.results
}

func (s *player) add(op, on, state string, n int, data string, err error, ends ...net.Addr) {
	s.results = append(s.results, result{op, on, state, n, data, class(err, ends...)})
}

// class is what users of errors.Is can tell, and how a net.OpError is made.
func class(err error, ends ...net.Addr) string {
	if err == nil {
		return "nil"
	}
	name := "an unknown error: " + err.Error()
	for _, c := range errorClasses {
		if errors.Is(err, c.is) {
			name = c.name
			break
		}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		name += ", timeout"
	}
	if o, ok := err.(*net.OpError); ok {
		name += " of " + o.Op + " " + strings.TrimRight(o.Net, "46")
	} else if err != io.EOF {
		name += fmt.Sprintf(", a %T", err)
	}
	return name
}

var errorClasses = []struct {
	name string
	is   error
}{
	{"EOF", io.EOF}, {"ErrClosed", net.ErrClosed}, {"ErrDeadlineExceeded", os.ErrDeadlineExceeded}, {"ErrWriteToConnected", net.ErrWriteToConnected},
	{"canceled", context.Canceled},
	{"ECONNREFUSED", syscall.ECONNREFUSED}, {"ECONNRESET", syscall.ECONNRESET}, {"EPIPE", syscall.EPIPE}, {"ENOTCONN", syscall.ENOTCONN},
	{"EMSGSIZE", syscall.EMSGSIZE}, {"EDESTADDRREQ", syscall.EDESTADDRREQ}, {"EADDRINUSE", syscall.EADDRINUSE}, {"EINVAL", syscall.EINVAL},
	{"EADDRNOTAVAIL", syscall.EADDRNOTAVAIL}, {"ENETUNREACH", syscall.ENETUNREACH},
}

var long = func() time.Time { return time.Now().Add(scriptPatience) }

// steps are the kinds of a script's steps.
type steps struct {
	all  []scriptKind
	mu   sync.Mutex
	seen map[string]int
}

type scriptKind struct {
	name string
	run  func(s *player, slot, other, arg byte)
}

func (k *steps) count(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[name]++
}

func (k *steps) total() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.seen {
		n += c
	}
	return n
}

func (k *steps) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(k.seen)) {
		all = append(all, fmt.Sprintf("%s %d", name, k.seen[name]))
	}
	return strings.Join(all, ", ")
}

// missing are the kinds that had nothing to do in any script.
func (k *steps) missing() (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.all {
		if k.seen[s.name] == 0 {
			names = append(names, s.name)
		}
	}
	return names
}

package stack_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/tun/tuntest"
)

// hand is a device of plain packets into which the test puts them by hand.
type hand struct {
	in     chan any // []byte, or error
	closed chan struct{}
	once   sync.Once
}

func newHand(packets ...any) *hand {
	h := &hand{in: make(chan any, 100), closed: make(chan struct{})}
	for _, p := range packets {
		h.in <- p
	}
	return h
}

func (h *hand) Queues() int                                  { return 1 }
func (h *hand) MTU() int                                     { return 1500 }
func (h *hand) HeaderLen() int                               { return 0 }
func (h *hand) Offloads() uint32                             { return 0 }
func (h *hand) TAP() bool                                    { return false }
func (h *hand) WritePacket(_ int, b [][]byte) (int, error)   { return len(slices.Concat(b...)), nil }
func (h *hand) WaitWritable(int, time.Time) error            { return nil }
func (h *hand) Close() error                                 { h.once.Do(func() { close(h.closed) }); return nil }
func (h *hand) ReadPacket(_ int, bufs [][]byte) (int, error) { return h.read(bufs, func() {}) }

func (h *hand) read(bufs [][]byte, idle func()) (int, error) {
	var v any
	select {
	case v = <-h.in:
	default:
		idle()
		select {
		case v = <-h.in:
		case <-h.closed:
			return 0, os.ErrClosed
		}
	}
	if err, ok := v.(error); ok {
		return 0, err
	}
	n, p := 0, v.([]byte)
	for _, b := range bufs {
		n += copy(b, p[n:])
	}
	return n, nil
}

// idling is a hand that says when it has nothing.
type idling struct {
	*hand
	idle func()
}

func (d *idling) OnIdle(_ int, idle func())                    { d.idle = idle }
func (d *idling) ReadPacket(_ int, bufs [][]byte) (int, error) { return d.read(bufs, d.idle) }

// recorder is a Batcher that writes down who was called.
type recorder struct {
	gateway
	mu   sync.Mutex
	log  []string
	keep bool // hold what comes
	seen chan struct{}
}

func newRecorder(keep bool) *recorder {
	r := &recorder{keep: keep, seen: make(chan struct{}, 1)}
	r.gateway = gateway{
		udp:  func(d *stack.Datagram) { r.say("ordinary %s", slices.Concat(d.Data...)) },
		echo: func(*stack.Echo) { r.say("echo") },
	}
	return r
}

func (r *recorder) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
	select {
	case r.seen <- struct{}{}:
	default:
	}
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.log, ", ")
}

func (r *recorder) Batch(*stack.NIC, int) stack.Batch { return held{r} }

// held is the recorder as a Batch.
type held struct{ r *recorder }

func (h held) Flush() { h.r.say("flush") }
func (h held) UDP(d *stack.Datagram) bool {
	h.r.say("%s", slices.Concat(d.Data...))
	return h.r.keep
}

var (
	program = netip.MustParseAddrPort("10.1.0.2:1000")
	far     = netip.MustParseAddrPort("192.0.2.1:2000")
	own     = netip.MustParseAddrPort("10.1.0.1:2000")
)

func udp(text string) []byte { return tuntest.UDPPacket(program, far, []byte(text)) }

// resum makes the IPv4 header's checksum right again.
func resum(p []byte) []byte {
	n := int(p[0]&15) * 4
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], ^checksum.Checksum(p[:n], 0))
	return p
}

func withTTL(p []byte, ttl byte) []byte { p[8] = ttl; return resum(p) }

func withOptions(p []byte) []byte {
	p = slices.Insert(p, 20, 1, 1, 1, 0) // three times nothing, and the end
	p[0]++
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return resum(p)
}

// halves are the two halves of p.
func halves(p []byte) [2][]byte {
	first, second := slices.Clone(p[:44]), append(slices.Clone(p[:20]), p[44:]...)
	binary.BigEndian.PutUint16(first[6:], 0x2000)
	binary.BigEndian.PutUint16(second[6:], 3)
	for _, f := range [][]byte{first, second} {
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		resum(f)
	}
	return [2][]byte{first, second}
}

// protocol4 is a packet of another protocol than UDP.
func protocol4(proto byte, l4 []byte) []byte {
	p := tuntest.UDPPacket(program, far, nil)[:20]
	p[9] = proto
	p = append(p, l4...)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return resum(p)
}

func ping() []byte {
	b := []byte{8, 0, 0, 0, 0, 1, 0, 1}
	binary.BigEndian.PutUint16(b[2:], ^checksum.Checksum(b, 0))
	return protocol4(1, b)
}

func rst() []byte {
	b := make([]byte, 20)
	b[1], b[3], b[12], b[13] = 9, 9, 5<<4, 4
	addrs := append(program.Addr().AsSlice(), far.Addr().AsSlice()...)
	pseudo := append(addrs, 0, 6, 0, 20)
	binary.BigEndian.PutUint16(b[16:], ^checksum.Checksum(b, checksum.Checksum(pseudo, 0)))
	return protocol4(6, b)
}

func bad() []byte { p := rst(); p[25]++; return p }

// TestBatchFlush: what is held is sent before the reader waits or ends, before
// anything that must not overtake it, and soon at any rate.
func TestBatchFlush(t *testing.T) {
	half := halves(udp("a datagram in two halves"))
	for _, c := range []struct {
		name    string
		packets []any
		want    string
	}{
		{"many, then nothing", []any{udp("a"), udp("b"), udp("c")}, "a, b, c, flush"},
		{"no bytes", []any{udp("")}, ", flush"},
		{"last hop", []any{udp("a"), withTTL(udp("b"), 1), udp("c")}, "a, flush, ordinary b, c, flush"},
		{"options", []any{udp("a"), withOptions(udp("b")), udp("c")}, "a, flush, ordinary b, c, flush"},
		{"fragments", []any{udp("a"), half[0], half[1], udp("c")}, "a, flush, ordinary a datagram in two halves, c, flush"},
		{"own address", []any{udp("a"), tuntest.UDPPacket(program, own, []byte("b"))}, "a, flush, ordinary b"},
		{"ping", []any{udp("a"), ping(), udp("c")}, "a, flush, echo, c, flush"},
		{"a little TCP", []any{udp("a"), rst(), rst(), udp("b")}, "a, b, flush"},
		{"much TCP", []any{udp("a"), rst(), rst(), rst(), rst(), rst(), udp("b")}, "a, flush, b, flush"},
		{"what is dropped", []any{udp("a"), bad(), bad(), bad(), bad(), bad(), udp("b")}, "a, flush, b, flush"},
		{"read error", []any{udp("a"), syscall.EAGAIN, udp("b")}, "a, flush, b, flush"},
		{"end of the device", []any{udp("a"), syscall.EBADF}, "a, flush"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecorder(true)
			recorded(t, &idling{hand: newHand(c.packets...)}, r, c.want)
		})
	}
	t.Run("device without OnIdle", func(t *testing.T) {
		recorded(t, newHand(udp("a"), udp("b")), newRecorder(true), "a, flush, b, flush")
	})
	t.Run("nothing held", func(t *testing.T) {
		recorded(t, &idling{hand: newHand(udp("a"), udp("b"), ping())}, newRecorder(false), "a, b, echo")
	})
}

// recorded reads d until the recorder says what is wanted, and closes.
func recorded(t *testing.T, d stack.Device, r *recorder, want string) {
	t.Helper()
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.AddNIC(stack.NICConfig{Device: d, Forward: r, Addrs: []netip.Prefix{netip.PrefixFrom(own.Addr(), 24)}}); err != nil {
		t.Fatal(err)
	}
	for late := time.After(20 * time.Second); ; {
		if got := r.text(); len(got) >= len(want) {
			break
		}
		select {
		case <-r.seen:
		case <-late:
			t.Fatalf("%q, want %q", r.text(), want)
		}
	}
	s.Close() // whatever else would be said is said now
	if got := r.text(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBatchFlushAtClose: a reader that never idles ends with nothing held.
func TestBatchFlushAtClose(t *testing.T) {
	r := newRecorder(true)
	d := &idling{hand: newHand()}
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddNIC(stack.NICConfig{Device: d, Forward: r}); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case d.in <- udp("x"):
			case <-stop:
				return
			}
		}
	}()
	<-r.seen
	close(stop)
	s.Close()
	<-stopped
	if got := r.text(); !strings.HasSuffix(got, "flush") {
		t.Errorf("… %q", got[max(0, len(got)-20):])
	}
}

package dns

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The program's patience ends a query, and so does Close.
func TestSilence(t *testing.T) {
	asked := make(chan struct{}, 8)
	up := serve(t, func(dnsmessage.Message, string) []dnsmessage.Message { asked <- struct{}{}; return nil })
	r := start(t, Config{Upstreams: []Upstream{At(up)}})
	q, _ := ParseQuery(ask("a.test.", dnsmessage.TypeA))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { _, err := r.Resolve(ctx, q); done <- err }()
	<-asked
	// A second who asks the same waits for the first, and asks when that has gone.
	other := make(chan error, 1)
	go func() { _, err := r.Resolve(t.Context(), q); other <- err }()
	until(t, "somebody waits for the first", func() bool { return r.Shared.Load() > 0 })
	cancel()
	if err := <-done; err == nil {
		t.Error("an answer from nobody")
	}
	<-asked
	r.Close()
	if err := <-other; err == nil {
		t.Error("an answer after Close")
	}
	if _, err := r.Resolve(t.Context(), q); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	if r.Silent.Load() == 0 {
		t.Error("silence was not counted")
	}
}

// The same question in flight is asked once.
func TestSharing(t *testing.T) {
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	var asked atomic.Int32
	up := serve(t, func(q dnsmessage.Message, _ string) []dnsmessage.Message {
		asked.Add(1)
		<-release
		return []dnsmessage.Message{reply(q, "192.0.2.1", 0)}
	})
	t.Cleanup(free) // before the server's own end
	r := start(t, Config{Upstreams: []Upstream{At(up)}})
	var wg sync.WaitGroup
	const n = 20
	for i := range n {
		wg.Go(func() {
			name := []string{"a.test.", "A.TEST."}[i%2]
			if m := resolve(t, r, ask(name, dnsmessage.TypeA), true); len(m.Answers) != 1 || m.Questions[0].Name.String() != name {
				t.Errorf("%s: %v", name, m)
			}
		})
	}
	until(t, "all but one wait", func() bool { return r.Shared.Load() == n-1 })
	free()
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("%d queries went out for one question", asked.Load())
	}
}

// Ids and ports are not to be guessed, and answers to something else not believed.
func TestForgery(t *testing.T) {
	var mu sync.Mutex
	ids, ports := map[uint16]bool{}, map[string]bool{}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(b[:n]) != nil {
				continue
			}
			mu.Lock()
			ids[q.ID], ports[from.String()] = true, true
			mu.Unlock()
			id, name, typ, query, op := reply(q, "192.0.2.1", 60), reply(q, "192.0.2.2", 60), reply(q, "192.0.2.3", 60), reply(q, "192.0.2.4", 60), reply(q, "192.0.2.5", 60)
			id.ID++
			name.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("b.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
			typ.Questions = []dnsmessage.Question{{Name: q.Questions[0].Name, Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}}
			query.Response = false
			op.OpCode = 5
			for _, m := range []dnsmessage.Message{id, name, typ, query, op, reply(q, "192.0.2.6", 60)} {
				p, _ := m.Pack()
				pc.WriteTo(p, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	r := start(t, Config{Upstreams: upstreams(t, pc.LocalAddr().String()), Cache: -1})
	const n = 50
	for range n {
		if got := address(resolve(t, r, ask("a.test.", dnsmessage.TypeA), true)); got != "192.0.2.6" {
			t.Fatal(got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	// 50 of 65536: a collision or two are rare, ten do not happen.
	if len(ids) < n-10 || len(ports) < n/2 || ids[4711] && len(ids) == 1 {
		t.Errorf("%d ids and %d ports of %d queries", len(ids), len(ports), n)
	}
}

// until waits for what no event tells.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within a minute: " + what)
		}
	}
}

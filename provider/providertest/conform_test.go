package providertest_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

func TestConformOfKnownLayers(t *testing.T) {
	for name, mk := range map[string]func() provider.Layer{
		"pass":    func() provider.Layer { return providertest.PassThrough{} },
		"holding": func() provider.Layer { return new(holding) },
		"thin":    func() provider.Layer { return thin{} },
		"decides": func() provider.Layer {
			return &decider{answer: provider.Verdict{Action: provider.Allow}, on: provider.FailClosed}
		},
	} {
		t.Run(name, func(t *testing.T) { providertest.ConformLayer(t, mk) })
	}
}

// Law 4 is kept by package sockets: many goroutines on one connection, and the
// base never sees two operations of a direction at once, nor one beside close.
func TestLaw04OneOperationPerDirection(t *testing.T) {
	base := new(providertest.Base)
	var mu sync.Mutex
	inside, beside := 0, 0
	busy := func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) {
		mu.Lock()
		inside++
		mu.Unlock()
		for range 3 {
			runtime.Gosched()
		}
		mu.Lock()
		inside--
		mu.Unlock()
		return m.Len(), 0
	}
	base.Script.WSPRecv, base.Script.WSPSend = busy, busy
	base.Script.WSPCloseSocket = func(*provider.Socket, provider.CloseMode) wsa.Errno {
		mu.Lock()
		beside += inside
		mu.Unlock()
		return 0
	}
	cat := new(provider.Catalog)
	if _, err := cat.InstallBase("scripted", base); err != nil {
		t.Fatal(err)
	}
	session, err := sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := session.DialContext(ctx, "tcp", "192.0.2.1:80")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	read := make(chan struct{}) // closed by the first: there is something for close to be beside
	var once sync.Once
	for range 8 {
		wg.Go(func() {
			for range 200 {
				c.Read(make([]byte, 16))
				once.Do(func() { close(read) })
			}
		})
		wg.Go(func() {
			for i := range 200 {
				c.Write(make([]byte, 16))
				if i == 150 {
					<-read
					c.Close()
				}
			}
		})
	}
	wg.Wait()
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	for _, op := range []string{"WSPRecv", "WSPSend"} {
		if n := base.Peak(op); n != 1 {
			t.Errorf("%s: %d at once on one socket", op, n)
		}
	}
	if n := len(base.Calls("WSPCloseSocket")); n != 1 || beside != 0 {
		t.Errorf("closed %d times, beside %d operations; close runs last and alone", n, beside)
	}
}

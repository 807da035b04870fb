package providertest_test

import (
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

type gateW struct {
	n   int
	in  chan struct{}
	out chan struct{}
}

func (w *gateW) Wake(*provider.Socket, wsa.Events) {
	w.n++
	if w.n == 2 {
		close(w.in)
		<-w.out
	}
}

func TestBreakWakeAfterWatchNil(t *testing.T) {
	var g *gateW
	own := layerFunc(func(_ *SR, next *PT) (PT, wsa.Errno) {
		watch := next.Watch
		return PT{Ready: next.Ready, Watch: func(s *provider.Socket, w provider.Watcher, m wsa.Events) {
			if w == nil {
				watch(s, nil, 0)
				return
			}
			watch(s, g, m)
		}}, 0
	})
	pass := layerFunc(func(_ *SR, next *PT) (PT, wsa.Errno) { return PT{Ready: next.Ready, Watch: next.Watch}, 0 })
	rig, _ := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, own, pass)
	for range 20 {
		g = &gateW{in: make(chan struct{}), out: make(chan struct{})}
		s := rig.Socket(t)
		w := new(flagW)
		rig.Chain.Table.Watch(s, w, wsa.FD_READ)
		done := make(chan struct{})
		go func() { s.Fail(wsa.EACCES, "x"); close(done) }()
		select {
		case <-g.in:
		case <-done:
			t.Fatal("no second wake")
		case <-time.After(time.Second):
			t.Fatal("Fail wakes nobody")
		}
		gone := make(chan struct{})
		go func() { // it waits for the wake that runs below
			rig.Chain.Table.Watch(s, nil, 0)
			w.mu.Lock()
			w.dead = true
			w.mu.Unlock()
			close(gone)
		}()
		close(g.out)
		<-gone
		<-done
		if w.late {
			t.Fatal("Wake ran after Watch(nil) had returned")
		}
		rig.Chain.Table.WSPCloseSocket(s, provider.CloseAbort)
	}
}

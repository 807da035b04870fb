package base_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestLinger is the table of winsock-spi 8.3 with every mode.
func TestLinger(t *testing.T) {
	drained := base.State{Phase: base.Connected, Writable: true, Drained: true}
	const linger, abort, background = provider.CloseLinger, provider.CloseAbort, provider.CloseBackground
	for _, c := range []struct {
		name    string
		on, sec int
		mode    provider.CloseMode
		state   base.State
		want    wsa.Errno
		reset   bool
	}{
		{"dontlinger", 0, 0, linger, established, 0, false},
		{"dontlinger with a time", 0, 9, linger, established, 0, false},
		{"zero", 1, 0, linger, established, 0, true},
		{"zero, drained", 1, 0, linger, drained, 0, true},
		{"time, not drained", 1, 5, linger, established, wsa.EWOULDBLOCK, false},
		{"time, drained", 1, 5, linger, drained, 0, false},
		{"time, dead", 1, 5, linger, dead(wsa.ECONNRESET), 0, false},
		{"time, aborted", 1, 5, abort, established, 0, true},
		{"time, in the background", 1, 5, background, established, 0, false},
		{"zero, in the background", 1, 0, background, established, 0, false},
		{"aborted", 0, 0, abort, established, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, layers ...provider.Layer) {
				d := basetest.NewScript()
				r := newRig(t, d, layers...)
				s := connectedTo(r, d)
				r.want("SO_LINGER", r.set(s, wsa.SOL_SOCKET, wsa.SO_LINGER, c.on|c.sec<<16), 0)
				d.Last().Set(c.state)
				r.want("close", r.close(s, c.mode), c.want)
				aborted, closed := d.Last().Closed()
				if closed != (c.want == 0) || aborted != c.reset {
					t.Errorf("closed %v, reset %v", closed, aborted)
				}
				if c.want == wsa.EWOULDBLOCK { // nothing was begun, the socket is good
					_, e := r.send(s, "more")
					r.want("send", e, 0)
					if len(d.Last().Called("Shutdown")) != 0 {
						t.Error("a disconnect was begun")
					}
					d.Last().Set(drained)
					r.want("close when drained", r.close(s, c.mode), 0)
				}
				r.want("close again", r.close(s, c.mode), wsa.ENOTSOCK)
			})
		})
	}
}

// TestLingerAfterShutdown: a FIN that is not acknowledged is lingered for too, and the
// close that waited for it resets nothing (8.3).
func TestLingerAfterShutdown(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := states["SD_SEND"](r, d)
	r.want("SO_LINGER", r.set(s, wsa.SOL_SOCKET, wsa.SO_LINGER, 1|5<<16), 0)
	r.want("8.3 FIN sent", r.close(s, provider.CloseLinger), wsa.EWOULDBLOCK)
	if g := r.ready(s); g.Events&wsa.EvDrained != 0 {
		t.Errorf("ready %+v", g)
	}
	d.Last().Become(base.State{Phase: base.Connected, Drained: true}, wsa.EvDrained)
	if g := r.ready(s); g.Events&wsa.EvDrained == 0 {
		t.Errorf("ready %+v", g)
	}
	r.want("8.3 FIN acknowledged", r.close(s, provider.CloseLinger), 0)
	if abort, _ := d.Last().Closed(); abort {
		t.Error("reset")
	}
}

// TestLingerSwitch: "enabling SO_LINGER disables SO_DONTLINGER and vice versa", and
// SO_DONTLINGER = FALSE lingers with the time that there was (8.3).
func TestLingerSwitch(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := connectedTo(r, d)
	for _, step := range []struct {
		option int32
		value  int
		linger int // SO_LINGER then
		try    bool
		want   wsa.Errno // of a close, if it is tried
	}{
		{wsa.SO_LINGER, 1 | 7<<16, 1 | 7<<16, true, wsa.EWOULDBLOCK},
		{wsa.SO_DONTLINGER, 1, 7 << 16, false, 0},
		{wsa.SO_DONTLINGER, 0, 1 | 7<<16, true, wsa.EWOULDBLOCK},
		{wsa.SO_LINGER, 0, 0, true, 0},
	} {
		r.want("set", r.set(s, wsa.SOL_SOCKET, step.option, step.value), 0)
		v, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_LINGER)
		dont, _ := r.get(s, wsa.SOL_SOCKET, wsa.SO_DONTLINGER)
		if v != step.linger || dont == v&1 {
			t.Errorf("%+v: SO_LINGER %#x, SO_DONTLINGER %d", step, v, dont)
		}
		if step.try {
			r.want("close", r.close(s, provider.CloseLinger), step.want)
		}
	}
}

// TestLingerUnconnected: nothing to linger for.
func TestLingerUnconnected(t *testing.T) {
	for _, state := range []string{"fresh", "bound", "listening", "connecting", "refused"} {
		d := basetest.NewScript()
		r := newRig(t, d)
		s := states[state](r, d)
		r.want("SO_LINGER", r.set(s, wsa.SOL_SOCKET, wsa.SO_LINGER, 1|5<<16), 0)
		r.want("close "+state, r.close(s, provider.CloseLinger), 0)
	}
}

// TestCloseFailed: a socket that was failed from outside is reset.
func TestCloseFailed(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := states["failed"](r, d)
	r.want("close", r.close(s, provider.CloseBackground), 0)
	if abort, closed := d.Last().Closed(); !closed || !abort {
		t.Error("a killed flow ended gracefully")
	}
}

// TestClosedShowsNothing.
func TestClosedShowsNothing(t *testing.T) {
	d := basetest.NewScript()
	r := newRig(t, d)
	s := states["closed"](r, d)
	if g := r.ready(s); g != (provider.Readiness{}) {
		t.Errorf("ready %+v", g)
	}
	var w watched
	r.table(s).Watch(s, &w, wsa.FD_ALL_EVENTS)
	d.Last().Wake(wsa.FD_READ)
	if w.take() != 0 {
		t.Error("a wake after close")
	}
}

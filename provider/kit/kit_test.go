package kit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/wsa"
)

func netipAP(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// shout is the proof layer: what the application sends is upper-cased.
func shout(chunk int) kit.Talk {
	return func(_ context.Context, x *kit.Exchange) error {
		return x.Both(
			func() error { return shoutUp(x.Net, x.App, chunk) },
			func() error { return kit.Copy(x.App, x.Net) },
		)
	}
}

// shoutless passes everything on.
func shoutless(_ context.Context, x *kit.Exchange) error {
	return x.Both(
		func() error { return kit.Copy(x.Net, x.App) },
		func() error { return kit.Copy(x.App, x.Net) },
	)
}

func shoutUp(dst, src kit.Conn, chunk int) error {
	b := make([]byte, chunk)
	for {
		n, err := src.Read(b)
		if _, werr := dst.Write(upper(b[:n])); werr != nil {
			return werr
		}
		if err == io.EOF {
			return dst.CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}

func layer(cfg kit.Config, talk kit.Talk) provider.Layer {
	return layerFunc(func(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
		return kit.Conversation(r, next, cfg, talk), 0
	})
}

func shouting(chunk int) provider.Layer { return layer(kit.Config{Buffer: 512}, shout(chunk)) }

func TestBothWaysWithHalfClose(t *testing.T) {
	for _, c := range []struct {
		name         string
		layers       int
		chunk, read  int // the layer's and the application's sizes
		write, limit int
	}{
		{"plain", 1, 32 << 10, 0, 1 << 20, 4096},
		{"one byte in the layer", 1, 1, 0, 1 << 20, 64},
		{"one byte writes", 1, 4096, 0, 1, 64},
		{"one byte reads", 1, 4096, 1, 1 << 20, 64},
		{"one byte wire", 1, 4096, 0, 1 << 20, 1},
		{"three storeys", 3, 4096, 0, 1 << 20, 100},
		{"three storeys by bytes", 3, 1, 1, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			n.limit = c.limit
			var layers []provider.Layer
			for range c.layers {
				layers = append(layers, shouting(c.chunk))
			}
			a := build(t, n, layers...).open()
			a.maxRead = c.read
			up, down := pattern(20_000), pattern(30_000)
			var wg sync.WaitGroup
			wg.Go(func() {
				for b := range chunks(up, c.write) {
					if _, err := a.Write(b); err != nil {
						t.Errorf("write: %v", err)
						return
					}
				}
				a.must(a.table.WSPShutdown(a.s, wsa.SD_SEND))
			})
			wg.Go(func() {
				got, err := io.ReadAll(a.w)
				if err != nil || !bytes.Equal(got, upper(up)) {
					t.Errorf("the network got %d bytes, %v; want %d in upper case", len(got), err, len(up))
				}
				a.w.Write(down) // after the FIN: the other half still works
				a.w.CloseWrite()
			})
			within(t, "reading", func() {
				got, err := io.ReadAll(a)
				if err != nil || !bytes.Equal(got, down) {
					t.Errorf("the application got %d bytes, %v; want %d", len(got), err, len(down))
				}
			})
			within(t, "the rest", wg.Wait)
			a.close(provider.CloseLinger)
			if m := a.w.Closed(); m == provider.CloseAbort {
				t.Error("a connection that ended well was reset")
			}
		})
	}
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			c := min(n, len(b))
			if !yield(b[:c]) {
				return
			}
			b = b[c:]
		}
	}
}

func TestFarEndClosesFirst(t *testing.T) {
	a := build(t, newNetwork(t), shouting(64)).open()
	a.w.Write([]byte("bye"))
	a.w.CloseWrite()
	if got, err := io.ReadAll(a); string(got) != "bye" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := a.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	a.must(a.table.WSPShutdown(a.s, wsa.SD_SEND))
	within(t, "the far end", func() {
		if got, err := io.ReadAll(a.w); string(got) != "STILL HERE" || err != nil {
			t.Errorf("the network got %q, %v", got, err)
		}
	})
	a.close(provider.CloseBackground)
}

func TestResetByNetwork(t *testing.T) {
	a := build(t, newNetwork(t), shouting(64), shouting(64)).open()
	a.w.Write([]byte("last words"))
	b := make([]byte, 10)
	if _, err := io.ReadFull(a, b); err != nil {
		t.Fatal(err)
	}
	a.w.Reset(wsa.ECONNRESET)
	for range 3 { // for ever
		if _, err := a.Read(b); !errors.Is(err, wsa.ECONNRESET) {
			t.Fatalf("read after a reset: %v", err)
		}
	}
	if _, err := a.Write(b); !errors.Is(err, wsa.ECONNRESET) {
		t.Errorf("write after a reset: %v", err)
	}
	r := a.table.Ready(a.s, wsa.FD_ALL_EVENTS)
	if r.Events&wsa.FD_CLOSE == 0 || r.Events&wsa.FD_READ != 0 || r.Close != wsa.ECONNABORTED {
		t.Errorf("readiness after a reset is %+v", r)
	}
	a.close(provider.CloseBackground)
	if m := a.w.Closed(); m != provider.CloseAbort {
		t.Errorf("the base was closed with mode %d", m)
	}
}

func TestResetByApplication(t *testing.T) {
	for name, reset := range map[string]func(*app){
		"abort":    func(a *app) { a.close(provider.CloseAbort) },
		"linger 0": func(a *app) { a.w.linger = [4]byte{1, 0, 0, 0}; a.close(provider.CloseLinger) },
		"failed":   func(a *app) { a.s.Fail(wsa.ETIMEDOUT, "test"); a.close(provider.CloseBackground) },
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan error, 2)
			talk := func(ctx context.Context, x *kit.Exchange) error {
				_, err := x.App.Read(make([]byte, 1))
				said <- err
				_, err = x.Net.Read(make([]byte, 1))
				said <- err
				<-ctx.Done()
				return err
			}
			r := build(t, newNetwork(t), layer(kit.Config{}, talk))
			a := r.open()
			reset(a)
			for range 2 {
				if err := <-said; err == nil || err == io.EOF {
					t.Errorf("the layer saw %v", err)
				}
			}
			if m := a.w.Closed(); m != provider.CloseAbort {
				t.Errorf("the base was closed with mode %d", m)
			}
			if _, err := a.w.Read(make([]byte, 1)); !errors.Is(err, wsa.ECONNRESET) {
				t.Errorf("the network saw %v", err)
			}
			if n := r.host.Open(); n != 0 {
				t.Errorf("%d sockets are open", n)
			}
		})
	}
}

func TestCloseWithBytesInFlight(t *testing.T) {
	n := newNetwork(t)
	n.limit = 16
	r := build(t, n, layer(kit.Config{Buffer: 4096}, shout(100)))
	a := r.open()
	sent := pattern(2000)
	if k, e := a.table.WSPSend(a.s, &provider.Msg{Buffers: [][]byte{sent}}); k != len(sent) {
		t.Fatalf("sent %d, %v", k, e)
	}
	a.close(provider.CloseLinger)
	within(t, "draining", func() {
		if got, err := io.ReadAll(a.w); !bytes.Equal(got, upper(sent)) || err != nil {
			t.Errorf("the network got %d of %d bytes, %v", len(got), len(sent), err)
		}
		if m := a.w.Closed(); m != provider.CloseBackground {
			t.Errorf("the base was closed with mode %d", m)
		}
	})
}

func TestCloseWhileNetworkSends(t *testing.T) {
	r := build(t, newNetwork(t), shouting(64))
	a := r.open()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := a.w.Write(pattern(100)); err != nil {
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	a.Write([]byte("request"))
	a.close(provider.CloseBackground)
	within(t, "the end", func() {
		if got, _ := io.ReadAll(a.w); string(got) != "REQUEST" {
			t.Errorf("the network got %q", got)
		}
		a.w.Closed()
		close(stop)
		wg.Wait()
	})
}

func TestLingerRunsOut(t *testing.T) {
	stuck := func(ctx context.Context, x *kit.Exchange) error {
		<-ctx.Done()
		return nil
	}
	a := build(t, newNetwork(t), layer(kit.Config{Linger: time.Millisecond}, stuck)).open()
	a.close(provider.CloseBackground)
	within(t, "the end", func() {
		if m := a.w.Closed(); m != provider.CloseAbort {
			t.Errorf("the base was closed with mode %d", m)
		}
	})
}

// TestFailWhileClosing: a session that ends fails what still drains.
func TestFailWhileClosing(t *testing.T) {
	stuck := func(ctx context.Context, x *kit.Exchange) error {
		<-ctx.Done()
		return nil
	}
	a := build(t, newNetwork(t), layer(kit.Config{}, stuck)).open()
	a.close(provider.CloseBackground)
	a.s.Fail(wsa.ENETDOWN, "session closed")
	within(t, "the end", func() {
		if m := a.w.Closed(); m != provider.CloseAbort {
			t.Errorf("the base was closed with mode %d", m)
		}
	})
}

func TestLingerWouldBlock(t *testing.T) {
	a := build(t, newNetwork(t), shouting(64)).open()
	a.w.linger = [4]byte{1, 0, 30, 0}
	if e := a.table.WSPCloseSocket(a.s, provider.CloseLinger); e != wsa.EWOULDBLOCK {
		t.Fatalf("a lingering close says %v", e)
	}
	a.must(a.table.WSPShutdown(a.s, wsa.SD_SEND))
	within(t, "FIN", func() { io.ReadAll(a.w) })
	a.w.mu.Lock()
	a.w.acked = true
	a.w.s.Wake(wsa.EvDrained)
	a.w.mu.Unlock()
	a.until(a.wr, func() bool { return a.table.Ready(a.s, wsa.EvDrained).Events != 0 })
	a.close(provider.CloseLinger)
	a.w.Closed()
}

func TestConnectFails(t *testing.T) {
	for _, e := range []wsa.Errno{wsa.ECONNREFUSED, wsa.EHOSTUNREACH, wsa.ETIMEDOUT, wsa.EACCES} {
		for name, l := range map[string]provider.Layer{
			"as asked": shouting(1),
			"by layer": layer(kit.Config{Connect: func(_ context.Context, x *kit.Exchange) error { return x.Connect(x.To) }}, shout(1)),
		} {
			t.Run(name+" "+e.Name(), func(t *testing.T) {
				n := newNetwork(t)
				n.answer = func(provider.Addr) wsa.Errno { return e }
				r := build(t, n, l)
				a, got := r.dial()
				if got != e {
					t.Fatalf("connect: %v, want %v", got, e)
				}
				if _, err := a.Read(make([]byte, 1)); !errors.Is(err, wsa.ENOTCONN) {
					t.Errorf("read: %v", err)
				}
				n.answer = nil
				if e := a.connect(peerAddr); e != 0 {
					t.Errorf("the second try: %v", e)
				}
				a.Write([]byte("x"))
				a.must(a.table.WSPShutdown(a.s, wsa.SD_SEND))
				if got, err := io.ReadAll(a.w); string(got) != "X" {
					t.Errorf("the network got %q, %v", got, err)
				}
				a.close(provider.CloseBackground)
			})
		}
	}
}

// proxied connects to a proxy, says a word and waits for the answer.
func proxied(_ context.Context, x *kit.Exchange) error {
	if err := x.Connect(proxyAddr); err != nil {
		return err
	}
	if _, err := x.Net.Write([]byte("to " + x.To.String() + "\n")); err != nil {
		return err
	}
	answer := make([]byte, 3)
	if _, err := io.ReadFull(x.Net, answer); err != nil {
		return err
	}
	if string(answer) != "ok\n" {
		return wsa.EHOSTUNREACH
	}
	return nil
}

func TestConnectPhase(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		eof          bool
		want         wsa.Errno
	}{
		{"accepted", "ok\n", false, 0},
		{"denied", "no\n", false, wsa.EHOSTUNREACH},
		{"hung up", "", true, wsa.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := build(t, newNetwork(t), layer(kit.Config{Connect: proxied}, shout(64)))
			a := r.socket()
			var wg sync.WaitGroup
			wg.Go(func() {
				hello := make([]byte, len("to 192.0.2.1:80\n"))
				if _, err := io.ReadFull(a.w, hello); string(hello) != "to 192.0.2.1:80\n" {
					t.Errorf("the proxy got %q, %v", hello, err)
				}
				a.w.Write([]byte(c.answer))
				if c.eof {
					a.w.CloseWrite()
				}
			})
			if e := a.connect(peerAddr); e != c.want {
				t.Fatalf("connect: %v, want %v", e, c.want)
			}
			wg.Wait()
			peer, e := a.table.WSPGetPeerName(a.s)
			if c.want == 0 && (e != 0 || peer != peerAddr) {
				t.Errorf("the peer is %v, %v", peer, e)
			}
			var code [4]byte
			if c.want != 0 {
				if e != wsa.ENOTCONN {
					t.Errorf("WSPGetPeerName: %v", e)
				}
				a.table.WSPGetSockOpt(a.s, wsa.SOL_SOCKET, wsa.SO_ERROR, code[:])
				if got := wsa.Errno(binary.LittleEndian.Uint32(code[:])); got != c.want {
					t.Errorf("SO_ERROR is %v", got)
				}
				if e := a.connect(peerAddr); e != wsa.EINVAL {
					t.Errorf("the second try: %v", e)
				}
			}
			a.close(provider.CloseBackground)
			a.w.Closed()
		})
	}
}

func TestCloseWhileConnecting(t *testing.T) {
	n := newNetwork(t)
	n.answer = func(provider.Addr) wsa.Errno { return wsa.EWOULDBLOCK }
	for name, l := range map[string]provider.Layer{
		"as asked": shouting(1),
		"by layer": layer(kit.Config{Connect: proxied}, shout(1)),
	} {
		t.Run(name, func(t *testing.T) {
			a := build(t, n, l).socket()
			for _, want := range []wsa.Errno{wsa.EWOULDBLOCK, wsa.EALREADY} {
				if e := a.table.WSPConnect(a.s, &provider.ConnectRequest{To: peerAddr}); e != want {
					t.Errorf("connect: %v, want %v", e, want)
				}
			}
			if r := a.table.Ready(a.s, wsa.FD_ALL_EVENTS); r.Events != 0 {
				t.Errorf("readiness while connecting is %+v", r)
			}
			a.close(provider.CloseBackground)
			within(t, "the end", func() { a.w.Closed() })
		})
	}
}

func TestAccepted(t *testing.T) {
	saw := make(chan kit.Exchange, 1)
	r := build(t, newNetwork(t), layer(kit.Config{}, func(ctx context.Context, x *kit.Exchange) error {
		saw <- kit.Exchange{Accepted: x.Accepted, To: x.To, Socket: x.Socket}
		return shout(64)(ctx, x)
	}))
	l := r.socket()
	s, e := l.table.WSPAccept(l.s, &provider.AcceptRequest{})
	if e != 0 {
		t.Fatal(e)
	}
	a := r.adopt(s)
	if x := <-saw; !x.Accepted || x.To != peerAddr || x.Socket != s {
		t.Errorf("the exchange is %+v", x)
	}
	a.Write([]byte("hello"))
	a.must(a.table.WSPShutdown(a.s, wsa.SD_BOTH))
	if got, _ := io.ReadAll(a.w); string(got) != "HELLO" {
		t.Errorf("the network got %q", got)
	}
	a.close(provider.CloseBackground)
	l.close(provider.CloseBackground)
}

// TestHeldBytes is law 5: who holds bytes answers for them.
func TestHeldBytes(t *testing.T) {
	held := make(chan error)
	end := make(chan struct{})
	a := build(t, newNetwork(t), layer(kit.Config{Buffer: 8}, func(_ context.Context, x *kit.Exchange) error {
		_, err := x.App.Write([]byte("seven b"))
		held <- err
		<-end
		return wsa.EHOSTUNREACH
	})).open()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	table, buf := a.table, make([]byte, 16)
	var four [4]byte
	table.WSPIoctl(a.s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: four[:]})
	if n := binary.LittleEndian.Uint32(four[:]); n != 7 {
		t.Errorf("FIONREAD says %d", n)
	}
	if _, e := table.WSPIoctl(a.s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: four[:1]}); e != wsa.EFAULT {
		t.Errorf("FIONREAD into a byte: %v", e)
	}
	close(end)
	a.until(a.wr, func() bool { // the abort has come
		_, e := table.WSPSend(a.s, &provider.Msg{Buffers: [][]byte{buf}})
		return e == wsa.EHOSTUNREACH
	})
	r := table.Ready(a.s, wsa.FD_ALL_EVENTS)
	if r.Events&wsa.FD_READ == 0 || r.Events&wsa.FD_CLOSE != 0 || r.Queued != 7 {
		t.Errorf("readiness is %+v: the error must wait behind the bytes", r)
	}
	for _, c := range []struct {
		flags wsa.MsgFlags
		want  string
	}{{wsa.MSG_PEEK, "seven b"}, {wsa.MSG_PEEK, "seven b"}, {0, "seven b"}} {
		n, e := table.WSPRecv(a.s, &provider.Msg{Buffers: [][]byte{buf[:3], buf[3:]}, Flags: c.flags})
		if string(buf[:n]) != c.want || e != 0 {
			t.Errorf("receive: %q, %v", buf[:n], e)
		}
	}
	if _, err := a.Read(buf); !errors.Is(err, wsa.EHOSTUNREACH) {
		t.Errorf("after the bytes: %v", err)
	}
	a.close(provider.CloseBackground)
}

func TestNothingBlocks(t *testing.T) {
	idle := func(ctx context.Context, x *kit.Exchange) error {
		<-ctx.Done()
		return nil
	}
	a := build(t, newNetwork(t), layer(kit.Config{Buffer: 100}, idle)).open()
	m := &provider.Msg{Buffers: [][]byte{pattern(70)}}
	for _, want := range []struct {
		n int
		e wsa.Errno
	}{{70, 0}, {30, 0}, {0, wsa.EWOULDBLOCK}} {
		if n, e := a.table.WSPSend(a.s, m); n != want.n || e != want.e {
			t.Errorf("send: %d, %v; want %d, %v", n, e, want.n, want.e)
		}
	}
	if r := a.table.Ready(a.s, wsa.FD_WRITE|wsa.FD_READ); r.Events != 0 {
		t.Errorf("readiness of a full socket is %+v", r)
	}
	if n, e := a.table.WSPRecv(a.s, m); n != 0 || e != wsa.EWOULDBLOCK {
		t.Errorf("receive: %d, %v", n, e)
	}
	for flag, want := range map[wsa.MsgFlags]wsa.Errno{wsa.MSG_OOB: wsa.EOPNOTSUPP} {
		if _, e := a.table.WSPSend(a.s, &provider.Msg{Buffers: m.Buffers, Flags: flag}); e != want {
			t.Errorf("send with flags %x: %v", flag, e)
		}
		if _, e := a.table.WSPRecv(a.s, &provider.Msg{Buffers: m.Buffers, Flags: flag}); e != want {
			t.Errorf("receive with flags %x: %v", flag, e)
		}
	}
	a.must(a.table.WSPShutdown(a.s, wsa.SD_BOTH))
	if _, e := a.table.WSPSend(a.s, m); e != wsa.ESHUTDOWN {
		t.Errorf("send after SD_SEND: %v", e)
	}
	if _, e := a.table.WSPRecv(a.s, m); e != wsa.ESHUTDOWN {
		t.Errorf("receive after SD_RECEIVE: %v", e)
	}
	if e := a.table.WSPConnect(a.s, &provider.ConnectRequest{To: peerAddr}); e != wsa.EISCONN {
		t.Errorf("connect: %v", e)
	}
	a.close(provider.CloseAbort)
}

func TestPanicFailsOneSocket(t *testing.T) {
	r := build(t, newNetwork(t), layer(kit.Config{}, func(ctx context.Context, x *kit.Exchange) error {
		return x.Both(
			func() error {
				b := make([]byte, 1)
				x.App.Read(b)
				if b[0] == '!' {
					panic("said !")
				}
				x.Net.Write(b)
				return nil
			},
			func() error { return kit.Copy(x.App, x.Net) })
	}))
	bad, good := r.open(), r.open()
	bad.Write([]byte("!"))
	bad.until(bad.r, func() bool { return bad.s.Failed() != 0 })
	if _, err := bad.Read(make([]byte, 1)); !errors.Is(err, wsa.ECONNABORTED) {
		t.Errorf("read: %v", err)
	}
	good.Write([]byte("."))
	b := make([]byte, 1)
	if _, err := good.w.Read(b); b[0] != '.' {
		t.Errorf("the other socket: %q, %v", b, err)
	}
	if n := len(r.host.Panics()); n != 1 {
		t.Errorf("%d panics were reported", n)
	}
	good.close(provider.CloseAbort)
	bad.close(provider.CloseBackground)
	bad.w.Closed()
}

func TestFunctionEnds(t *testing.T) {
	for _, c := range []struct {
		name       string
		err        error
		read, send wsa.Errno
	}{
		{"nil", nil, 0, wsa.ECONNRESET},
		{"EOF", io.EOF, 0, wsa.ECONNRESET},
		{"code", wsa.EACCES, wsa.EACCES, wsa.EACCES},
		{"wrapped", &net.OpError{Op: "x", Err: wsa.EHOSTUNREACH}, wsa.EHOSTUNREACH, wsa.EHOSTUNREACH},
		{"timeout", os.ErrDeadlineExceeded, wsa.ETIMEDOUT, wsa.ETIMEDOUT},
		{"other", errors.New("?"), wsa.ECONNABORTED, wsa.ECONNABORTED},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := build(t, newNetwork(t), layer(kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
				x.App.Write([]byte("held"))
				return c.err
			})).open()
			got, err := io.ReadAll(a)
			if e, _ := wsa.Code(err); string(got) != "held" || e != c.read {
				t.Errorf("read %q, %v", got, err)
			}
			a.until(a.wr, func() bool { return a.table.Ready(a.s, wsa.FD_CLOSE).Events != 0 })
			_, err = a.Write([]byte("x"))
			if e, _ := wsa.Code(err); e != c.send {
				t.Errorf("write: %v", err)
			}
			a.close(provider.CloseBackground)
			if m := a.w.Closed(); (m == provider.CloseAbort) != (c.read != 0) {
				t.Errorf("the base was closed with mode %d", m)
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	got := make(chan error, 4)
	a := build(t, newNetwork(t), layer(kit.Config{Buffer: 1}, func(_ context.Context, x *kit.Exchange) error {
		b := make([]byte, 1)
		for _, c := range []kit.Conn{x.App, x.Net} {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := c.Read(b)
			got <- err
			c.SetReadDeadline(time.Time{})
		}
		x.App.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)) // not over before the first byte is taken
		n, err := x.App.Write([]byte("12"))
		if n != 1 {
			err = errors.New("not one byte was taken")
		}
		got <- err
		x.App.SetDeadline(time.Now().Add(time.Hour)) // moved: a read now waits for bytes
		_, err = x.App.Read(b)
		got <- err
		return nil
	})).open()
	for range 3 {
		if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
	}
	a.Write([]byte("x"))
	if err := <-got; err != nil {
		t.Errorf("before the deadline: %v", err)
	}
	a.close(provider.CloseBackground)
	a.w.Closed()
}

func TestDial(t *testing.T) {
	n := newNetwork(t)
	r := build(t, n, layer(kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
		c, err := x.Dial(proxyAddr)
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte("who?")); err != nil {
			return err
		}
		b := make([]byte, 2)
		if _, err := io.ReadFull(c, b); err != nil {
			return err
		}
		x.App.Write(b)
		return nil // c is closed with the exchange
	}))
	a := r.open()
	side := <-n.wires
	b := make([]byte, 4)
	io.ReadFull(side, b)
	side.Write([]byte("me"))
	if got, err := io.ReadAll(a); string(got) != "me" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	within(t, "closing", func() { side.Closed() })
	a.close(provider.CloseBackground)
	within(t, "closing the sockets", func() { // the far side hears of it before the host
		for r.host.Open() != 0 {
			runtime.Gosched()
		}
	})
}

func TestDatagramsPassThrough(t *testing.T) {
	cat := new(provider.Catalog)
	n := newNetwork(t)
	cat.InstallBase("network", n)
	id, _ := cat.InstallLayer("kit", shouting(1))
	cat.InstallChain("chain", []provider.CatalogID{id})
	r := &rig{t: t, net: n}
	entry, _, _ := cat.Snapshot().Resolve(&provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_DGRAM})
	var err error
	if r.chain, err = cat.Snapshot().Build(entry.Info.CatalogEntryID, provider.BuildConfig{Host: hostOf(t)}); err != nil {
		t.Fatal(err)
	}
	a := r.socket()
	of(a.s).connected = true
	a.Write([]byte("as it is"))
	b := make([]byte, 8)
	if of(a.s).Read(b); string(b) != "as it is" {
		t.Errorf("the network got %q", b)
	}
	a.close(provider.CloseBackground)
	r.chain.Retire()
	<-r.chain.Done()
}

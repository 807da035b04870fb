package sni

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Config bounds what is held back. Zero fields take the defaults.
type Config struct {
	Limit    int           // bytes of a ClientHello with the headers of its records; default 64 KiB
	Patience time.Duration // from its first byte to its last; default 5 s
	Shadow   bool          // nothing is refused: what cannot be read is judged as a hello without a name
}

// Defaults of Config.
const (
	DefaultLimit    = 64 << 10
	DefaultPatience = 5 * time.Second
)

// Layer is the layer.
func Layer(c Config) provider.Layer {
	if c.Limit <= 0 {
		c.Limit = DefaultLimit
	}
	if c.Patience <= 0 {
		c.Patience = DefaultPatience
	}
	return layer{c}
}

type layer struct{ cfg Config }

// Startup implements provider.Layer. Only TCP can begin with a ClientHello.
func (l layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	if r.Info.MessageOriented() {
		return provider.ProcTable{}, 0
	}
	r.ReadsHellos()
	return kit.Conversation(r, next, kit.Config{}, l.converse), 0
}

func (l layer) converse(_ context.Context, x *kit.Exchange) error {
	if x.Accepted {
		return x.Handover()
	}
	if err := x.Net.Handover(); err != nil {
		return err
	}
	held, first, err := l.hold(x.App, nil)
	switch {
	case errors.Is(err, ErrNotTLS):
		err = nil
		if len(held) > 0 {
			err = judge(x, provider.Learned{Plain: true})
		}
	case err == nil:
		if err = judge(x, learned(first.Hello)); err == nil {
			held, err = l.follow(x, held, first)
		}
	}
	var r refusal
	if l.cfg.Shadow && errors.As(err, &r) {
		x.App.SetReadDeadline(time.Time{})
		err = judge(x, learned(Hello{}))
	}
	if errors.As(err, &r) {
		x.Socket.Fail(wsa.EACCES, r.Error())
		return wsa.EACCES.Err()
	}
	if err == nil {
		_, err = x.Net.Write(held)
	}
	if err != nil {
		return err
	}
	return x.App.Handover()
}

// A refusal is a ClientHello that is not judged: nobody knows what it asks for.
type refusal struct{ error }

// hold reads until it knows, or refuses; held is what is read already, and then all that
// is. An end of the stream before its first byte is none of a ClientHello.
func (l layer) hold(app kit.Conn, held []byte) (all []byte, o opening, err error) {
	for {
		o, more, err := parse(held)
		switch {
		case errors.Is(err, ErrNotTLS):
			return held, o, err
		case err != nil:
			return held, o, refusal{err}
		case more == 0:
			return held, o, nil
		}
		held, err = l.fill(app, held, len(held)+more)
		switch {
		case err == io.EOF && (len(held) == 0 || tooShort(held)):
			return held, o, ErrNotTLS
		case err == io.EOF:
			return held, o, refusal{fmt.Errorf("sni: the stream ends after %d bytes of a ClientHello", len(held))}
		case err != nil:
			return held, o, err
		}
	}
}

// fill reads until held has want bytes.
func (l layer) fill(app kit.Conn, held []byte, want int) ([]byte, error) {
	if held == nil {
		held = make([]byte, 0, min(4<<10, l.cfg.Limit)) // post-quantum key shares make 1.8 KiB the usual
	}
	for len(held) < want {
		if len(held) >= l.cfg.Limit {
			return held, refusal{fmt.Errorf("sni: the ClientHello is longer than %d bytes", l.cfg.Limit)}
		}
		held = slices.Grow(held, 1)
		n, err := app.Read(held[len(held):min(cap(held), l.cfg.Limit)])
		if len(held) == 0 && n > 0 {
			app.SetReadDeadline(time.Now().Add(l.cfg.Patience))
		}
		held = held[:len(held)+n]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return held, refusal{fmt.Errorf("sni: %d bytes of a ClientHello in %v, and not more", len(held), l.cfg.Patience)}
		}
		if err != nil {
			return held, err
		}
	}
	return held, nil
}

func learned(h Hello) provider.Learned {
	return provider.Learned{Hello: true, SNI: h.Name, ALPN: strings.Join(h.ALPN, ","), ECH: h.ECH}
}

// judge asks the chain about the server that is meant, or about a stream that says
// nothing of one.
func judge(x *kit.Exchange, l provider.Learned) error {
	x.Socket.Learn(func(provider.Learned) provider.Learned { return l })
	f := x.Facts
	f.Late = l
	v := x.Socket.Judge(f, provider.OpSNI)
	if !v.Denied() {
		return nil
	}
	what := "server name " + l.SNI
	switch {
	case l.Plain:
		what = "no ClientHello"
	case l.SNI == "":
		what = "server name none"
	}
	x.Socket.Fail(v.Errno, what+": "+v.String())
	return v.Errno.Err()
}

// Contract implements provider.Contracted. Where it stands among those that decide is
// all the same: the whole chain is asked.
func (layer) Contract() provider.Contract {
	return provider.Contract{Kind: "sni", Categories: wsa.LSP_INSPECTOR}
}

//go:build linux

package storey

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// null is a chain over the base that does nothing, with a connected socket.
type null struct {
	chain  *provider.Chain
	socket *provider.Socket
	msg    provider.Msg
}

func build(layers ...provider.Layer) (*null, error) {
	cat := new(provider.Catalog)
	if _, err := cat.InstallBase("null", base.New(base.Config{Driver: basetest.Null{}, Name: "null"})); err != nil {
		return nil, err
	}
	id, err := stream(cat)
	if err != nil {
		return nil, err
	}
	if len(layers) > 0 {
		var ids []provider.CatalogID
		for i, l := range layers {
			k, err := cat.InstallLayer(fmt.Sprint("layer", i), l)
			if err != nil {
				return nil, err
			}
			ids = append(ids, k)
		}
		c, err := cat.InstallChain("chain", ids, id)
		if err != nil {
			return nil, err
		}
		id = c[0]
	}
	c, err := cat.Snapshot().Build(id, provider.BuildConfig{Host: quiet{}})
	if err != nil {
		return nil, err
	}
	n := &null{chain: c, msg: provider.Msg{Buffers: [][]byte{make([]byte, 1024)}}}
	return n, n.connect()
}

// stream is the id of the catalog's entry for TCP over IPv4.
func stream(cat *provider.Catalog) (provider.CatalogID, error) {
	for _, e := range cat.Snapshot().Entries {
		if e.Info.AddressFamily == wsa.AF_INET && e.Info.Protocol == wsa.IPPROTO_TCP {
			return e.Info.CatalogEntryID, nil
		}
	}
	return 0, errors.New("bench: the null base has no TCP over IPv4")
}

// connect makes the socket that the operations are on.
func (n *null) connect() error {
	if err := n.begin(); err != nil {
		return err
	}
	return n.try()
}

func (n *null) begin() error {
	s, e := n.chain.Table.WSPSocket(&provider.SocketRequest{AF: wsa.AF_INET, Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP, Info: &n.chain.Info})
	if e != 0 {
		return fmt.Errorf("bench: socket over the null base: %w", e)
	}
	n.socket = s
	to := provider.AddrFrom(netip.MustParseAddrPort("192.0.2.1:80"))
	if e := n.chain.Table.WSPConnect(s, &provider.ConnectRequest{To: to}); e != 0 && e != wsa.EWOULDBLOCK {
		return fmt.Errorf("bench: connect over the null base: %w", e)
	}
	return nil
}

// try is one operation each way.
func (n *null) try() error {
	_, e := n.chain.Table.WSPSend(n.socket, &n.msg)
	_, f := n.chain.Table.WSPRecv(n.socket, &n.msg)
	for _, e := range []wsa.Errno{e, f} {
		if e != 0 {
			return fmt.Errorf("bench: a data operation over the null base: %w", e)
		}
	}
	return nil
}

func (n *null) close(ctx context.Context) error {
	if n.socket != nil {
		n.chain.Table.WSPCloseSocket(n.socket, provider.CloseAbort)
	}
	n.chain.Retire()
	select {
	case <-n.chain.Done():
		return n.chain.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// operations of a round, half of them each way: some 0.1 ms, shorter than what
// the scheduler lets run, so that the best of many is undisturbed.
const operations = 4000

func (n *null) round() time.Duration {
	t, s, m := &n.chain.Table, n.socket, &n.msg
	start := time.Now()
	for range operations / 2 {
		t.WSPSend(s, m)
		t.WSPRecv(s, m)
	}
	return time.Since(start)
}

// resolved rounds to a tenth of a nanosecond: two chains of the very same
// functions differ by some hundredths, by where their sockets lie in memory.
func resolved(ns float64) float64 { return math.Round(ns*10) / 10 }

// Cost is what layer adds to an operation, in nanoseconds: the best of rounds
// with it less the best of as many without, taken in turns for as long as d.
func Cost(ctx context.Context, layer provider.Layer, d time.Duration) (ns float64, err error) {
	return compare(ctx, layer, d, operations, func(n *null) (time.Duration, error) { return n.round(), nil })
}

// Connection is what layer adds to a socket that is made, connected and closed, in
// nanoseconds, likewise.
func Connection(ctx context.Context, layer provider.Layer, d time.Duration) (ns float64, err error) {
	return compare(ctx, layer, d, connections, (*null).connections)
}

// connections of a round: some 0.1 ms.
const connections = 100

func (n *null) connections() (time.Duration, error) {
	first := n.socket
	defer func() { n.socket = first }()
	start := time.Now()
	for range connections {
		if err := n.begin(); err != nil {
			return 0, err
		}
		n.chain.Table.WSPCloseSocket(n.socket, provider.CloseAbort)
	}
	return time.Since(start), nil
}

func compare(ctx context.Context, layer provider.Layer, d time.Duration, of float64, round func(*null) (time.Duration, error)) (ns float64, err error) {
	with, err := build(layer)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, with.close(ctx)) }()
	without, err := build()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, without.close(ctx)) }()
	a, b := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		x, err := round(with)
		if err != nil {
			return 0, err
		}
		y, err := round(without)
		if err != nil {
			return 0, err
		}
		a, b = min(a, x), min(b, y)
	}
	return resolved(float64((a - b).Nanoseconds()) / of), ctx.Err()
}

// quiet is a host of sockets that nobody asks about.
type quiet struct{}

func (quiet) CreateHandle(*provider.Socket) (uint64, wsa.Errno) { return 1, 0 }
func (quiet) CloseHandle(*provider.Socket)                      {}
func (quiet) Reported(*provider.Report)                         {}

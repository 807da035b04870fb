package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/stack"
)

// How long one upstream may take, and how often all are asked: what the
// program's own resolver does by default (resolv.conf(5): timeout 5, attempts
// 2), less, so that ours gives up first and says SERVFAIL.
const (
	upstreamTimeout = 2 * time.Second
	upstreamRounds  = 2
	tcpQueryIdle    = 10 * time.Second
	maxUDPAnswer    = 65535
)

// resolver is the name service: it decides, forwards, and remembers names.
type resolver struct {
	g    *Gateway
	busy chan struct{} // one place per query in flight
}

func newResolver(g *Gateway) *resolver {
	return &resolver{g: g, busy: make(chan struct{}, g.cfg.Limits.Queries)}
}

// serveUDP takes a place and answers on a goroutine; it does not wait.
func (r *resolver) serveUDP(d *stack.Datagram) {
	select {
	case r.busy <- struct{}{}:
	default:
		r.g.DNSBusy.Add(1)
		return
	}
	if !r.g.enter() {
		<-r.busy
		return
	}
	query := bytes.Join(d.Data, nil)
	nic, src, dst := d.NIC, d.Src, d.Dst
	go func() {
		defer r.g.running.Done()
		defer func() { <-r.busy }()
		if answer := r.answer(query, "udp", src, dst); answer != nil {
			nic.SendDatagram(dst, src, answer, 0)
		}
	}()
}

// serveTCP answers length-prefixed queries (RFC 1035, 4.2.2) until the program
// closes or is idle.
func (r *resolver) serveTCP(f *stack.Flow) {
	if f.Accept() != nil {
		return
	}
	c := newFlowConn(r.g.ctx, f)
	defer c.Close()
	var size [2]byte
	for {
		c.until = time.Now().Add(tcpQueryIdle)
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := r.answer(query, "tcp", f.Source(), f.Destination())
		if answer == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer is the answer to one query, nil for what deserves none.
func (r *resolver) answer(query []byte, network string, src, dst netip.AddrPort) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		r.g.DNSMalformed.Add(1)
		return nil
	}
	q, err := p.Question()
	if err != nil {
		r.g.DNSMalformed.Add(1)
		return failure(h, nil, dnsmessage.RCodeFormatError)
	}
	r.g.DNSQueries.Add(1)
	name := canonical(q.Name)
	if r.decide(name, src, dst).Denied() {
		r.g.DNSDenied.Add(1)
		return failure(h, &q, dnsmessage.RCodeNameError)
	}
	answer := r.forward(query, h.ID, q, network)
	if answer == nil {
		r.g.DNSFailed.Add(1)
		return failure(h, &q, dnsmessage.RCodeServerFailure)
	}
	r.learn(answer, name)
	return answer
}

func canonical(n dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(n.String(), "."))
}

// decide asks the layers of the chain that a stream of this attachment takes,
// as what follows a lookup is a connect.
func (r *resolver) decide(name string, src, dst netip.AddrPort) provider.Verdict {
	o := r.g.origin(src, dst)
	o.Destination = provider.Addr{}
	o.Name = name
	c, err := r.g.chain(o, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if err != nil {
		r.g.log.Warn("no chain for a lookup", "name", name, "err", err)
		return provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}
	}
	f := provider.Facts{Origin: o, Names: []string{name}}
	v := c.Decide(f, provider.OpLookup)
	c.Witness(f, provider.OpLookup, v)
	return v
}

// forward asks the upstreams in turn. Our own sockets are system: they enter no chain.
func (r *resolver) forward(query []byte, id uint16, q dnsmessage.Question, network string) []byte {
	for range upstreamRounds {
		for _, up := range r.g.cfg.DNS.Upstreams {
			ctx, cancel := context.WithTimeout(r.g.ctx, upstreamTimeout)
			answer, err := exchange(ctx, network, up, query, id, q)
			cancel()
			if err == nil {
				return answer
			}
			r.g.log.Debug("no answer", "upstream", up, "name", q.Name, "err", err)
			if r.g.ctx.Err() != nil {
				return nil
			}
		}
	}
	return nil
}

// exchange is one query to one upstream. Over UDP what does not fit the query
// (another id or question) is not ours and is read over (RFC 5452, 9.1); the
// socket is connected, so that only the upstream is heard.
func exchange(ctx context.Context, network string, up netip.AddrPort, query []byte, id uint16, q dnsmessage.Question) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, up.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if network == "tcp" {
		return exchangeTCP(c, query, id, q)
	}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	b := make([]byte, maxUDPAnswer)
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil, err
		}
		if fits(b[:n], id, q) {
			return b[:n:n], nil
		}
	}
}

func exchangeTCP(c net.Conn, query []byte, id uint16, q dnsmessage.Question) ([]byte, error) {
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	if !fits(b, id, q) {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}

// fits reports whether b answers the question.
func fits(b []byte, id uint16, q dnsmessage.Question) bool {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.ID != id {
		return false
	}
	got, err := p.Question()
	return err == nil && got.Type == q.Type && got.Class == q.Class && canonical(got.Name) == canonical(q.Name)
}

// learn keeps the name that was asked for, for the addresses in the answer. It
// does not keep the names that a CNAME leads over: whoever answers for one name
// could lend an address of theirs the name of somebody a rule allows.
func (r *resolver) learn(answer []byte, name string) {
	var p dnsmessage.Parser
	if _, err := p.Start(answer); err != nil || p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			return
		}
		ttl := time.Duration(h.TTL) * time.Second
		switch h.Type {
		case dnsmessage.TypeA:
			if a, err := p.AResource(); err == nil {
				r.g.names.learn(netip.AddrFrom4(a.A), name, ttl)
				continue
			}
			return
		case dnsmessage.TypeAAAA:
			if a, err := p.AAAAResource(); err == nil {
				r.g.names.learn(netip.AddrFrom16(a.AAAA), name, ttl)
				continue
			}
			return
		}
		if p.SkipAnswer() != nil {
			return
		}
	}
}

// failure is an answer without records.
func failure(h dnsmessage.Header, q *dnsmessage.Question, code dnsmessage.RCode) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: code,
	}}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

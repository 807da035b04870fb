package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
	"github.com/netnsd/netnsd/stack"
)

const tcpQueryIdle = 10 * time.Second

// resolver is the name service towards the program: it decides, has others
// answer, and remembers names.
type resolver struct {
	g       *Gateway
	names   *dns.Resolver
	busy    chan struct{} // one place per query in flight
	streams chan struct{} // one per connection
}

func newResolver(g *Gateway) (*resolver, error) {
	n := g.cfg.Limits.Queries
	r := &resolver{g: g, names: g.cfg.DNS.Resolver, busy: make(chan struct{}, n), streams: make(chan struct{}, n)}
	if r.names != nil {
		return r, nil
	}
	c := dns.Config{Log: g.log}
	for _, a := range g.cfg.DNS.Upstreams {
		c.Upstreams = append(c.Upstreams, dns.At(a))
	}
	var err error
	r.names, err = dns.New(c)
	return r, err
}

// serveUDP takes a place and answers on a goroutine; it does not wait.
func (r *resolver) serveUDP(d *stack.Datagram) {
	select {
	case r.busy <- struct{}{}:
	default:
		flooded()
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
		if answer := r.answer(r.g.ctx, query, "udp", src, dst); answer != nil {
			nic.SendDatagrams(dst, src, [][]byte{answer})
		}
	}()
}

// serveTCP answers length-prefixed queries (RFC 1035, 4.2.2) until the program
// closes or is idle.
func (r *resolver) serveTCP(f *stack.Flow) {
	select {
	case r.streams <- struct{}{}:
		defer func() { <-r.streams }()
	default:
		r.g.DNSBusy.Add(1)
		f.Refuse()
		return
	}
	if f.Accept() != nil {
		return
	}
	// A query ends with its flow: the stack waits for us when it closes.
	ctx, cancel := context.WithCancel(r.g.ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-f.Canceled():
			cancel()
		case <-ctx.Done():
		}
	})
	c := newFlowConn(ctx, f)
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
		answer := r.answer(ctx, query, "tcp", f.Source(), f.Destination())
		if answer == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer is the answer to one query, nil for what deserves none.
func (r *resolver) answer(ctx context.Context, query []byte, network string, src, dst netip.AddrPort) []byte {
	q, code := dns.ParseQuery(query)
	if q == nil {
		r.g.DNSMalformed.Add(1)
		return nil
	}
	if code != dnsmessage.RCodeSuccess {
		r.g.DNSRefused.Add(1)
		return q.Failure(code)
	}
	r.g.DNSQueries.Add(1)
	l := r.decide(q.Name, network, src, dst)
	answer, code := r.resolve(ctx, q, l)
	if answer == nil {
		l.witness(q, nil, q.Failure(code))
		return q.Failure(code)
	}
	r.learn(answer, q.Name)
	if dns.Found(answer) {
		l.chain.Answered(l.facts)
	}
	reply := q.Reply(answer, network == "udp")
	l.witness(q, answer, reply)
	return reply
}

// resolve has an allowed query answered; nil: with a code alone.
func (r *resolver) resolve(ctx context.Context, q *dns.Query, l lookup) ([]byte, dnsmessage.RCode) {
	if l.verdict.Denied() {
		r.g.DNSDenied.Add(1)
		return nil, dnsmessage.RCodeNameError
	}
	answer, err := r.names.Resolve(ctx, q)
	if err != nil {
		r.g.log.Debug("no answer", "name", q.Name, "err", err)
		r.g.DNSFailed.Add(1)
		return nil, dnsmessage.RCodeServerFailure
	}
	return answer, dnsmessage.RCodeSuccess
}

// lookup is what was decided on a name, and by whom.
type lookup struct {
	chain   *provider.Chain // nil: there is none, and the lookup is denied
	facts   provider.Facts
	verdict provider.Verdict
}

// decide asks the layers of the chain that a stream of this attachment takes,
// as what follows a lookup is a connect.
func (r *resolver) decide(name, network string, src, dst netip.AddrPort) lookup {
	o := r.g.owned(protocolOf(network), src, dst, dst)
	o.Destination = provider.Addr{}
	o.Name = name
	c, err := r.g.chain(o, wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	if err != nil {
		r.g.log.Warn("no chain for a lookup", "name", name, "err", err)
		return lookup{verdict: provider.Verdict{Action: provider.Deny, Errno: wsa.EACCES}}
	}
	f := provider.Facts{Origin: o, Names: []string{name}}
	v := c.Decide(f, provider.OpLookup)
	return lookup{c, f, v}
}

// witness tells the chain's witnesses what became of a query, once it is known.
func (l lookup) witness(q *dns.Query, answer, reply []byte) {
	if l.chain == nil {
		return
	}
	f := l.facts
	f.Lookup = &provider.Lookup{Type: dns.TypeName(q.Type), RCode: dns.RCodeName(reply)}
	for ip := range dns.Addresses(answer, q.Name) {
		if f.Lookup.Answers = append(f.Lookup.Answers, ip); len(f.Lookup.Answers) == maxWitnessed {
			break
		}
	}
	l.chain.Witness(f, provider.OpLookup, l.verdict)
}

// maxWitnessed bounds what a line of audit says of an answer.
const maxWitnessed = 16

// learn keeps the name that was asked for, for the addresses that the answer
// gives for it, be it over CNAMEs. It does not keep the names that these lead
// over: whoever answers for one name could lend an address of theirs the name of
// somebody a rule allows. Addresses of the host's own are not learnt either: a
// name that its owner points at the host's loopback is no reason to open that.
func (r *resolver) learn(answer []byte, name string) {
	for ip, ttl := range dns.Addresses(answer, name) {
		if ip.IsLinkLocalUnicast() || closed(ip) || closed(embedded(ip)) || slices.Contains(r.g.cfg.Addrs, ip) {
			continue
		}
		r.g.names.learn(ip, name, ttl)
	}
}

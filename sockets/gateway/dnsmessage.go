package gateway

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsQuery is a query that was understood, packed anew: nothing goes out that
// was not looked at (further questions, updates, bytes behind the message).
type dnsQuery struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	packed   []byte
}

// parse reads a query. nil: it is not even a query. Another code than success
// is what it is answered with.
func parse(b []byte) (*dnsQuery, dnsmessage.RCode) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response {
		return nil, 0
	}
	q := &dnsQuery{header: h}
	if h.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented
	}
	all, err := p.AllQuestions()
	if err != nil || len(all) != 1 {
		return q, dnsmessage.RCodeFormatError
	}
	q.question = all[0]
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, dnsmessage.RCodeFormatError
	}
	extra, err := p.AllAdditionals()
	if err != nil {
		return q, dnsmessage.RCodeFormatError
	}
	m := dnsmessage.Message{Header: h, Questions: all}
	for _, r := range extra {
		if r.Header.Type == dnsmessage.TypeOPT { // EDNS (RFC 6891)
			m.Additionals = append(m.Additionals, r)
		}
	}
	if q.packed, err = m.Pack(); err != nil {
		return q, dnsmessage.RCodeFormatError
	}
	return q, dnsmessage.RCodeSuccess
}

// failure is an answer to q without records.
func (q *dnsQuery) failure(code dnsmessage.RCode) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: q.header.ID, Response: true, OpCode: q.header.OpCode,
		RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, RCode: code,
	}}
	if q.question.Name.Length > 0 {
		m.Questions = []dnsmessage.Question{q.question}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// canonical is a name as rules know it: without the final dot, and ASCII folded
// to lower case. ASCII alone: Unicode folds signs into letters (K is KELVIN SIGN too).
func canonical(n dnsmessage.Name) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.TrimSuffix(n.String(), "."))
}

// fits reports whether b answers q.
func (q *dnsQuery) fits(b []byte) bool {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.ID != q.header.ID {
		return false
	}
	got, err := p.Question()
	return err == nil && got.Type == q.question.Type && got.Class == q.question.Class &&
		canonical(got.Name) == canonical(q.question.Name)
}

// found reports whether an answer says that the name exists.
func found(answer []byte) bool {
	var p dnsmessage.Parser
	h, err := p.Start(answer)
	return err == nil && h.RCode == dnsmessage.RCodeSuccess
}

// addresses are what an answer gives for name: records of its own and of the
// names that its CNAMEs lead to, in the order in which they stand.
func addresses(answer []byte, name string) iter.Seq2[netip.Addr, time.Duration] {
	return func(yield func(netip.Addr, time.Duration) bool) {
		var p dnsmessage.Parser
		if _, err := p.Start(answer); err != nil || p.SkipAllQuestions() != nil {
			return
		}
		owners := map[string]bool{name: true}
		for {
			r, err := p.Answer()
			if err != nil {
				return
			}
			if !owners[canonical(r.Header.Name)] {
				continue
			}
			var ip netip.Addr
			switch body := r.Body.(type) {
			case *dnsmessage.CNAMEResource:
				owners[canonical(body.CNAME)] = true
				continue
			case *dnsmessage.AResource:
				ip = netip.AddrFrom4(body.A)
			case *dnsmessage.AAAAResource:
				ip = netip.AddrFrom16(body.AAAA).Unmap()
			default:
				continue
			}
			if !yield(ip, time.Duration(r.Header.TTL)*time.Second) {
				return
			}
		}
	}
}

// exchange is one query to one upstream. Over UDP what does not fit the query
// (another id or question) is not ours and is read over (RFC 5452, 9.1); the
// socket is connected, so that only the upstream is heard.
func exchange(ctx context.Context, network string, up netip.AddrPort, q *dnsQuery) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, up.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if network == "tcp" {
		return exchangeTCP(c, q)
	}
	if _, err := c.Write(q.packed); err != nil {
		return nil, err
	}
	b := make([]byte, maxUDPAnswer)
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil, err
		}
		if q.fits(b[:n]) {
			return b[:n:n], nil
		}
	}
}

func exchangeTCP(c net.Conn, q *dnsQuery) ([]byte, error) {
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q.packed))), q.packed...)); err != nil {
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
	if !q.fits(b) {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}

package dns

import (
	"bytes"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// RCodeBadVersion is BADVERS (RFC 6891, 9).
const RCodeBadVersion dnsmessage.RCode = 16

// What is said to be taken by UDP. 1232 fits every path (dnsflagday.net/2020);
// more than 4096 nobody needs (RFC 6891, 6.2.5).
const (
	minPayload  = 512
	ourPayload  = 1232
	mostPayload = 4096
)

// typeAXFR, IXFR, MAILB and MAILA ask for more than a message or for what is gone.
const (
	typeIXFR dnsmessage.Type = 251
	typeMAIL dnsmessage.Type = 254
)

// A Query is what a program asks.
type Query struct {
	// Name is what rules know: without the final dot, ASCII in lower case.
	Name  string
	Type  dnsmessage.Type
	Class dnsmessage.Class

	id       int
	flags    int
	question []byte // as the program spelt it
	edns     bool
	dnssec   bool // DO
	payload  int  // what the program takes by UDP
}

// ParseQuery reads a query. nil: it is not even one. Another code than success is
// what [Query.Failure] is to answer it with.
func ParseQuery(b []byte) (*Query, dnsmessage.RCode) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response {
		return nil, 0
	}
	q := &Query{id: int(h.ID), flags: flags(b), payload: minPayload}
	if h.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented
	}
	if word(b, 4) != 1 { // 13 000 fit in a message, and took 17 MB to read
		return q, dnsmessage.RCodeFormatError
	}
	one, err := p.Question()
	if err != nil || q.ask(one) != nil || p.SkipAllQuestions() != nil {
		return q, dnsmessage.RCodeFormatError
	}
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, dnsmessage.RCodeFormatError
	}
	if code := q.options(&p); code != dnsmessage.RCodeSuccess {
		return q, code
	}
	if q.Type >= typeIXFR && q.Type <= typeMAIL {
		return q, dnsmessage.RCodeRefused
	}
	return q, dnsmessage.RCodeSuccess
}

func (q *Query) ask(one dnsmessage.Question) error {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{one}}
	b, err := m.Pack()
	if err != nil {
		return err
	}
	q.question = b[headerLen:]
	q.Name, q.Type, q.Class = canonical(one.Name), one.Type, one.Class
	return nil
}

// options reads the OPT, if there is one.
func (q *Query) options(p *dnsmessage.Parser) dnsmessage.RCode {
	for {
		h, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			return dnsmessage.RCodeSuccess
		}
		if err != nil || p.SkipAdditional() != nil {
			return dnsmessage.RCodeFormatError
		}
		if h.Type != dnsmessage.TypeOPT {
			continue
		}
		if q.edns || h.Name.String() != "." {
			return dnsmessage.RCodeFormatError // RFC 6891, 6.1.1
		}
		q.edns, q.dnssec = true, h.DNSSECAllowed()
		q.payload = min(max(int(h.Class), minPayload), mostPayload)
		if h.TTL>>16&0xff != 0 {
			return RCodeBadVersion
		}
	}
}

// canonical is a name as rules know it. ASCII alone is folded: Unicode folds signs
// into letters (K is KELVIN SIGN too).
func canonical(n dnsmessage.Name) string {
	return lower(strings.TrimSuffix(n.String(), "."))
}

func lower(s string) string {
	b := []byte(s)
	lowerBytes(b)
	return string(b)
}

// lowerBytes also folds a packed name: lengths are less than 64, letters are more.
func lowerBytes(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// Failure is an answer to q without records.
func (q *Query) Failure(code dnsmessage.RCode) []byte {
	b := make([]byte, headerLen, headerLen+len(q.question)+optLen)
	setWord(b, 0, q.id)
	setFlags(b, flagQR|q.flags&(maskOpcode|flagRD|flagCD)|flagRA|int(code)&maskRCode)
	if len(q.question) > 0 {
		setWord(b, 4, 1)
		b = append(b, q.question...)
	}
	return q.withOPT(b, code)
}

// Reply is msg, an answer of a [Resolver] to this question, as the program gets
// it. By UDP it is no larger than the program takes: what does not fit has TC and
// no records, so that it is asked for again by TCP.
func (q *Query) Reply(msg []byte, udp bool) []byte {
	if udp && len(msg)+q.optRoom() > q.payload {
		b := q.Failure(rcode(msg))
		setFlags(b, flags(b)|flagTC)
		return b
	}
	b := append(make([]byte, 0, len(msg)+optLen), msg...)
	setWord(b, 0, q.id)
	kept := flagTC | maskRCode
	if q.dnssec || q.flags&flagAD != 0 { // RFC 6840, 5.8
		kept |= flagAD
	}
	setFlags(b, flagQR|flagRA|q.flags&(flagRD|flagCD)|flags(b)&kept)
	copy(b[headerLen:], q.question)
	return q.withOPT(b, rcode(msg))
}

// optLen is the length of an OPT without options.
const optLen = 11

func (q *Query) optRoom() int {
	if q.edns {
		return optLen
	}
	return 0
}

// withOPT appends ours if the program has sent one.
func (q *Query) withOPT(b []byte, code dnsmessage.RCode) []byte {
	if !q.edns {
		return b
	}
	return appendOPT(b, q.dnssec, code)
}

func appendOPT(b []byte, dnssec bool, code dnsmessage.RCode) []byte {
	setWord(b, 10, word(b, 10)+1)
	do := byte(0)
	if dnssec {
		do = 0x80
	}
	return append(b, 0, 0, byte(dnsmessage.TypeOPT), ourPayload>>8, ourPayload&0xff, byte(code>>4), 0, do, 0, 0, 0)
}

// key is what two queries with the same answer have in common.
type key struct {
	question string // packed, in lower case
	flags    int    // RD, AD and CD
	dnssec   bool
}

func (q *Query) key() key {
	b := bytes.Clone(q.question)
	lowerBytes(b[:len(b)-4])
	return key{string(b), q.flags & (flagRD | flagAD | flagCD), q.dnssec}
}

// outgoing is a query of ours.
type outgoing struct {
	id       int
	question string
	packed   []byte
}

// packed is a query for k with an id of its own.
func (k key) packed(id int, edns bool) *outgoing {
	b := make([]byte, headerLen, headerLen+len(k.question)+optLen)
	setWord(b, 0, id)
	setFlags(b, k.flags)
	setWord(b, 4, 1)
	b = append(b, k.question...)
	if edns {
		b = appendOPT(b, k.dnssec, 0)
	}
	return &outgoing{id, k.question, b}
}

// fits says whether b answers the query: id, question, and that it is an answer.
// One that did not understand the query may come without the question.
func (o *outgoing) fits(b []byte) error {
	if len(b) < headerLen || word(b, 0) != o.id || flags(b)&(flagQR|maskOpcode) != flagQR {
		return errMismatch
	}
	if word(b, 4) == 0 && (rcode(b) == dnsmessage.RCodeFormatError || rcode(b) == dnsmessage.RCodeNotImplemented) {
		return nil
	}
	n := len(o.question)
	if word(b, 4) != 1 || len(b) < headerLen+n {
		return errMismatch
	}
	got := bytes.Clone(b[headerLen : headerLen+n])
	lowerBytes(got[:n-4])
	if string(got) != o.question {
		return errMismatch
	}
	return nil
}

package dns

import (
	"encoding/binary"
	"errors"
	"iter"

	"golang.org/x/net/dns/dnsmessage"
)

const headerLen = 12

// Bits of the second word of a header (RFC 1035, 4.1.1; RFC 4035, 3.1.6, 3.2.2).
const (
	flagQR     = 1 << 15
	maskOpcode = 0xf << 11
	flagAA     = 1 << 10
	flagTC     = 1 << 9
	flagRD     = 1 << 8
	flagRA     = 1 << 7
	flagAD     = 1 << 5
	flagCD     = 1 << 4
	maskRCode  = 0xf
)

var (
	errMessage  = errors.New("dns: the message is malformed")
	errMismatch = errors.New("dns: the message does not answer the question")
)

func word(b []byte, at int) int         { return int(binary.BigEndian.Uint16(b[at:])) }
func setWord(b []byte, at int, v int)   { binary.BigEndian.PutUint16(b[at:], uint16(v)) }
func flags(msg []byte) int              { return word(msg, 2) }
func setFlags(msg []byte, v int)        { setWord(msg, 2, v) }
func rcode(msg []byte) dnsmessage.RCode { return dnsmessage.RCode(flags(msg) & maskRCode) }

// record is where the parts of one stand in a message.
type record struct {
	section    int // 1 answer, 2 authority, 3 additional
	index      int // in the section
	begin, end int
	name       int // where the owner ends
	typ        dnsmessage.Type
}

func (r record) ttl(msg []byte) uint32 {
	// RFC 2181, 8: one with the top bit is zero.
	if v := binary.BigEndian.Uint32(msg[r.name+4:]); v < 1<<31 {
		return v
	}
	return 0
}

func (r record) setTTL(msg []byte, v uint32) { binary.BigEndian.PutUint32(msg[r.name+4:], v) }
func (r record) data(msg []byte) []byte      { return msg[r.name+10 : r.end] }

// records walks over those of a message of one question. Record data is not looked
// into. It ends with an error where the message does not hold what it says.
func records(msg []byte) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		if len(msg) < headerLen || word(msg, 4) != 1 {
			yield(record{}, errMessage)
			return
		}
		at := skipName(msg, headerLen) + 4
		for section := 1; section <= 3; section++ {
			for i := range word(msg, 4+2*section) {
				r := record{section: section, index: i, begin: at, name: skipName(msg, at)}
				if r.name+10 > len(msg) {
					yield(r, errMessage)
					return
				}
				r.typ = dnsmessage.Type(word(msg, r.name))
				r.end = r.name + 10 + word(msg, r.name+8)
				if r.end > len(msg) {
					yield(r, errMessage)
					return
				}
				if !yield(r, nil) {
					return
				}
				at = r.end
			}
		}
	}
}

// skipName is where the name at a place ends; far behind the message if it does not.
func skipName(msg []byte, at int) int {
	for at < len(msg) {
		switch c := int(msg[at]); {
		case c == 0:
			return at + 1
		case c < 64:
			at += 1 + c
		case c >= 192:
			return at + 2
		default:
			return 1 << 30
		}
	}
	return 1 << 30
}

// plain checks an answer to q and takes its OPT off, with whatever stands behind it:
// names there could point across the gap, and additional records may be left out
// (RFC 2181, 9). It keeps msg. edns reports whether there was an OPT, code is the
// whole of the response code.
func plain(msg []byte, q *outgoing) (whole []byte, code dnsmessage.RCode, edns bool, err error) {
	if err := q.fits(msg); err != nil {
		return nil, 0, false, err
	}
	code = rcode(msg)
	if word(msg, 4) == 0 { // FORMERR of somebody who did not understand
		return msg, code, false, nil
	}
	end := headerLen + len(q.question)
	for r, err := range records(msg) {
		if err != nil {
			return nil, 0, false, err
		}
		if r.typ == dnsmessage.TypeOPT && r.section == 3 {
			edns = true
			code |= dnsmessage.RCode(msg[r.name+4]) << 4
			setWord(msg, 10, r.index)
			break
		}
		end = r.end
	}
	return msg[:end:end], code, edns, nil
}

// age counts the TTLs of a message down by some seconds. What stands in an OPT is
// not a TTL.
func age(msg []byte, seconds uint32) {
	for r, err := range records(msg) {
		if err != nil {
			return
		}
		if r.typ == dnsmessage.TypeOPT {
			continue
		}
		r.setTTL(msg, r.ttl(msg)-min(r.ttl(msg), seconds))
	}
}

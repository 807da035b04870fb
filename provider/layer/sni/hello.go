package sni

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// A Hello is what a ClientHello says about the server that is meant.
type Hello struct {
	Name string   // of the server, "" if there is none
	ALPN []string // protocols offered
	ECH  bool     // there is an encrypted one in it
}

// ErrNotTLS is that of a stream which does not begin with a ClientHello.
var ErrNotTLS = errors.New("sni: not a ClientHello")

// Numbers of RFC 8446 (4, 5.1), RFC 6066 (3), RFC 7301 (3.1), RFC 9849 (10.1).
const (
	recordCCS       = 20 // the first type of a record, as
	recordHeartbeat = 24 // the last (RFC 6520)
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	recordHeader    = 5
	tooNew          = 16 // what crypto/tls does not take for a version: majors below it are TLS to some server
	maxRecord       = 1 << 14
	clientHello     = 1

	extServerName = 0
	extALPN       = 16
	extEarlyData  = 42
	extVersions   = 43
	extECH        = 0xfe0d
)

// Parse reads the ClientHello at the beginning of a stream, of which b is what is
// known. While it is not complete, more is how many bytes are missing at least. An
// error other than ErrNotTLS says what is wrong with it.
func Parse(b []byte) (h Hello, more int, err error) {
	o, more, err := parse(b)
	return o.Hello, more, err
}

// opening is a Hello and what it means for what follows.
type opening struct {
	Hello
	size  int  // bytes it takes with the headers of its records
	retry bool // a server may ask for another: it offers TLS 1.3
	early bool // data may follow that a server skips
}

func parse(b []byte) (o opening, more int, err error) {
	switch {
	case len(b) == 0:
		return o, 1, nil
	case b[0]&0x80 != 0:
		more, err = old(b)
		return o, more, err
	}
	if more, err = record(b); more > 0 || err != nil {
		return o, more, err
	}
	message, size, more, err := handshake(b)
	if more > 0 || err != nil {
		return o, more, err
	}
	if o, err = body(message); err != nil {
		return opening{}, 0, err // what is refused is not to be used
	}
	o.size = size
	return o, 0, nil
}

// old tells SSL 2.0's form (RFC 5246, E.2), which has no place for a name.
func old(b []byte) (more int, err error) {
	const typ, major = 2, 3
	if len(b) > typ && b[typ] != clientHello || len(b) > major && b[major] != 3 {
		return 0, ErrNotTLS
	}
	return max(0, major+1-len(b)), nil
}

// record tells whether a server would take b for the beginning of TLS. A record in front
// of the ClientHello (crypto/tls passes over alerts that only warn), or a version that
// is none (RFC 8446, 5.1: to be ignored), must not pass for something else.
func record(b []byte) (more int, err error) {
	switch {
	case b[0] < recordCCS, b[0] > recordHeartbeat, len(b) > 1 && b[1] >= tooNew:
		return 0, ErrNotTLS
	case len(b) == 1:
		return 1, nil
	case b[1] == 3 && b[0] == recordHandshake:
		return 0, nil
	case b[1] != 3:
		if more, err = odd(b); more > 0 || err != nil {
			return more, err
		}
	}
	if b[0] != recordHandshake {
		return 0, fmt.Errorf("sni: TLS that begins with a record of type %d, not with a ClientHello", b[0])
	}
	return 0, nil
}

// odd is record for a version other than 3: more has to fit, as only some servers take
// it for TLS, and other protocols begin so.
func odd(b []byte) (more int, err error) {
	want, size := recordHeader+1, 0
	if b[0] == recordAlert {
		want = recordHeader
	}
	if len(b) >= recordHeader {
		size = int(b[3])<<8 | int(b[4])
	}
	switch {
	case b[0] != recordAlert && b[0] != recordHandshake:
		return 0, ErrNotTLS
	case len(b) < want:
		return want - len(b), nil
	case b[0] == recordAlert && size != 2, size == 0, size > maxRecord, b[0] == recordHandshake && b[recordHeader] != clientHello:
		return 0, ErrNotTLS
	}
	return 0, nil
}

// tooShort is true of a stream that is b and no more, and that odd has no opinion on.
func tooShort(b []byte) bool { return len(b) > 1 && len(b) <= recordHeader && b[1] != 3 }

// handshake takes the first handshake message out of its records, of which there are
// size bytes. It is all of them: a server may take what follows it in the last for a
// second one.
func handshake(b []byte) (message []byte, size, more int, err error) {
	const header = 4
	for rest := b; ; {
		n, err := recordLength(rest)
		if err != nil {
			return nil, 0, 0, err
		}
		whole := len(rest) >= recordHeader+n && n > 0
		if len(rest) > recordHeader {
			message = append(message, rest[recordHeader:min(recordHeader+n, len(rest))]...)
		}
		if len(message) > 0 && message[0] != clientHello {
			return nil, 0, 0, errors.New("sni: the first message of the handshake is not a ClientHello")
		}
		more = 1
		if len(message) >= header {
			length := int(message[1])<<16 + int(message[2])<<8 + int(message[3])
			if more = header + length - len(message); more < 0 || more == 0 && !whole {
				return nil, 0, 0, errors.New("sni: the ClientHello does not end with its record")
			}
			if more == 0 {
				return message[header:], len(b) - len(rest) + recordHeader + n, 0, nil
			}
		}
		if !whole {
			return nil, 0, more, nil
		}
		rest = rest[recordHeader+n:]
	}
}

// recordLength checks the header of the record at s, as far as it is there; 0 is
// not known yet.
func recordLength(s []byte) (int, error) {
	switch {
	case len(s) > 0 && s[0] != recordHandshake, len(s) > 1 && s[1] >= tooNew:
		return 0, errors.New("sni: the ClientHello is interrupted by something else")
	case len(s) < recordHeader:
		return 0, nil
	}
	n := int(s[3])<<8 + int(s[4])
	if n == 0 || n > maxRecord {
		return 0, fmt.Errorf("sni: a record of %d bytes", n)
	}
	return n, nil
}

var errMalformed = errors.New("sni: the ClientHello is malformed")

func body(message []byte) (h opening, err error) {
	s := cryptobyte.String(message)
	var session, ciphers, compression, extensions cryptobyte.String
	if !s.Skip(2+32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16LengthPrefixed(&ciphers) || !s.ReadUint8LengthPrefixed(&compression) {
		return h, errMalformed
	}
	if s.Empty() {
		return h, nil // TLS 1.2 and older need no extension
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return h, errMalformed
	}
	seen := make(map[uint16]bool)
	for !extensions.Empty() {
		var typ uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&typ) || !extensions.ReadUint16LengthPrefixed(&data) || seen[typ] {
			return h, errMalformed
		}
		seen[typ] = true
		if err := h.extension(typ, data); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (h *opening) extension(typ uint16, data cryptobyte.String) error {
	switch typ {
	case extServerName:
		return h.serverName(data)
	case extALPN:
		return h.protocols(data)
	case extECH:
		h.ECH = true
	case extEarlyData:
		h.early = true
	case extVersions:
		h.retry = true // or later ones; those before do not know the extension
	}
	return nil
}

// serverName takes the one host_name; two could be read differently by the server.
func (h *Hello) serverName(data cryptobyte.String) error {
	const hostName = 0
	var list, name cryptobyte.String
	var typ uint8
	if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() ||
		!list.ReadUint8(&typ) || typ != hostName || !list.ReadUint16LengthPrefixed(&name) || !list.Empty() {
		return errMalformed
	}
	h.Name = string(name)
	if h.Name == "" || len(h.Name) > 255 || strings.ContainsFunc(h.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("sni: the server name %q is none", h.Name)
	}
	return nil
}

func (h *Hello) protocols(data cryptobyte.String) error {
	var list cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || !data.Empty() {
		return errMalformed
	}
	for !list.Empty() {
		var p cryptobyte.String
		if !list.ReadUint8LengthPrefixed(&p) || len(p) == 0 {
			return errMalformed
		}
		h.ALPN = append(h.ALPN, string(p))
	}
	return nil
}

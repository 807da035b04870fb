package sni

import (
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"time"

	"github.com/netnsd/netnsd/provider/kit"
)

// maxSkipped is how much data servers skip between two ClientHellos, at most, if the
// first has announced some (RFC 8446, 4.2.10): OpenSSL and BoringSSL 16 KiB.
const maxSkipped = 64 << 10

// maxCiphertext is how long an encrypted record is, at most (RFC 5246, 6.2.3).
const maxCiphertext = maxRecord + 2048

// follow passes the hello on that held begins with, and what comes after it up to the
// record that tells whether there is a second one; rest is what is not passed on then. A
// server that cannot go on from the first asks for another (HelloRetryRequest, RFC 8446,
// 4.1.4) and takes its server name from that: OpenSSL does. It has to say the same.
func (l layer) follow(x *kit.Exchange, held []byte, first opening) (rest []byte, err error) {
	if !first.retry {
		return held, nil
	}
	ccs := false
	for size, skipped := first.size, 0; ; {
		if _, err := x.Net.Write(held[:size]); err != nil {
			return nil, err
		}
		held = held[:copy(held, held[size:])]
		var patience time.Time
		if len(held) > 0 {
			patience = time.Now().Add(l.cfg.Patience)
		}
		x.App.SetReadDeadline(patience)

		if held, err = l.fill(x.App, held, recordHeader+1); err != nil {
			return held, unlessEnd(err)
		}
		n := int(binary.BigEndian.Uint16(held[3:]))
		switch typ := held[0]; {
		case typ < recordCCS, typ > recordHeartbeat, n > maxCiphertext:
			return held, nil // not TLS any more
		case n == 0, typ == recordHandshake && held[recordHeader] == clientHello:
			return l.same(x.App, held, first, ccs)
		case typ == recordHandshake, typ == recordData && (!first.early || skipped > maxSkipped):
			return held, nil
		case typ == recordData:
			skipped += n
		case typ == recordCCS:
			ccs = true
		}
		size = recordHeader + n
		if held, err = l.fill(x.App, held, size); err != nil {
			return held, unlessEnd(err)
		}
	}
}

// unlessEnd: nothing more comes.
func unlessEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// same refuses what is not a whole ClientHello that says what the first did. After a
// ChangeCipherSpec it may be the Finished of a session of TLS 1.2 that is resumed, which
// is ciphertext and begins like a hello in one of 256: what cannot be one passes.
func (l layer) same(app kit.Conn, held []byte, first opening, ccs bool) (all []byte, err error) {
	if ccs && len(held) > recordHeader {
		n := int(binary.BigEndian.Uint16(held[3:]))
		if held, err = l.fill(app, held, recordHeader+min(n, sessionAt+1)); err != nil {
			return held, unlessEnd(err)
		}
		if isFinished(held[recordHeader:], n) {
			return held, nil
		}
	}
	held, second, err := l.hold(app, held)
	switch {
	case err != nil && ccs && !first.early && dataFollows(held):
		return held, nil
	case errors.Is(err, ErrNotTLS), err == nil && !reflect.DeepEqual(second.Hello, first.Hello):
		err = refusal{errors.New("sni: a second ClientHello that is not as the first")}
	}
	return held, err
}

const (
	sessionAt   = 4 + 2 + 32 // where a ClientHello has the length of its session's name
	maxSession  = 32
	minFinished = 16 // of TLS 1.2: header and 12 bytes (RFC 5246, 7.4.9), encrypted
)

// isFinished is true of a record of n bytes that no server takes for a ClientHello: as
// OpenSSL has it, of which one has 131 396 bytes at most.
func isFinished(b []byte, n int) bool {
	return n >= minFinished && (b[1] > 2 || len(b) > sessionAt && b[sessionAt] > maxSession)
}

// dataFollows reports whether data comes after the first records of a handshake, which
// is an error within a ClientHello, and usual after a Finished.
func dataFollows(b []byte) bool {
	for len(b) > recordHeader && b[0] == recordHandshake {
		b = b[min(len(b), recordHeader+int(binary.BigEndian.Uint16(b[3:]))):]
	}
	return len(b) > 0 && b[0] == recordData
}

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
	if first.size == 0 {
		return held, nil
	}
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
			return l.same(x.App, held, first)
		case typ == recordHandshake, typ == recordData && (!first.early || skipped > maxSkipped):
			return held, nil
		case typ == recordData:
			skipped += n
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

// same refuses what is not a whole ClientHello that says what the first did.
func (l layer) same(app kit.Conn, held []byte, first opening) ([]byte, error) {
	held, second, err := l.hold(app, held)
	if errors.Is(err, ErrNotTLS) || err == nil && !reflect.DeepEqual(second.Hello, first.Hello) {
		err = refusal{errors.New("sni: a second ClientHello that is not as the first")}
	}
	return held, err
}

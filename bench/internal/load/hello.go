//go:build linux

package load

import "golang.org/x/crypto/cryptobyte"

// hello is the least of a TLS ClientHello that asks for a server (RFC 8446, 4.1.2;
// RFC 6066, 3) and offers TLS 1.3, and of what follows it, by which a gateway knows that there is no second
// one: a record that is encrypted.
func hello(server string) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte{22, 3, 1}) // a record of the handshake
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(1)
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(0x0303)
			b.AddBytes(payload(32))
			b.AddUint8(0)                        // no session
			b.AddBytes([]byte{0, 2, 0x13, 0x01}) // one cipher suite
			b.AddBytes([]byte{1, 0})             // no compression
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint16(0) // server_name
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
						b.AddUint8(0)
						b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(server)) })
					})
				})
				b.AddBytes([]byte{0, 43, 0, 3, 2, 3, 4}) // supported_versions
			})
		})
	})
	b.AddBytes([]byte{23, 3, 3, 0, 1, 0})
	return b.BytesOrPanic()
}

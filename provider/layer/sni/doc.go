// Package sni is the layer that holds back the beginning of a stream until it is
// known which server the program asks for: the name in its TLS ClientHello
// (RFC 6066, 3). The deciding layers of the chain are asked about it
// (provider.OpSNI); what they allow goes on, unchanged, and the layer is out of
// the way from then on. They are asked, too, about a stream that begins with
// something else (provider.Learned.Plain), for those that want a name there.
//
//	application ── bytes ──▶ held ── Parse ──▶ Learn, Judge ──▶ sent on, Handover
//	            ◀───────────────── handed over at once ─────────────────
//
// A layer that decides by names stands in need of it: what the name service gave
// out says which address a name has, not which of the servers behind that address
// the program will speak to.
//
// # What is held, and how long
//
// From the first byte of what looks like a ClientHello to its last: reassembled
// over records and segments of any size, 64 KiB and 5 s at most, or as Config
// says. What is longer, slower or cannot be parsed is refused with EACCES, and so is
// TLS that begins with another record than the ClientHello's; if Config.Shadow is set
// it is judged as a hello without a name, and goes on. A
// stream that begins with anything else, or that the server begins, is not TLS
// and none of this layer's business, nor is one that turns to TLS later
// (STARTTLS). Nothing limits how long a program may take to its first byte.
//
// A server of TLS 1.3 that cannot go on from a ClientHello has the program send a second
// one (HelloRetryRequest). So the layer stays, where that is offered, until the first
// record is known that follows the hello and tells, and refuses a second one that says
// something else than the first: servers go by it. One in 20 000 sessions of TLS 1.2
// that are resumed is taken for such a one (their Finished is ciphertext) until the
// program's next data, and refused if that takes 5 s.
//
// What comes from the network is not held, nor are connections that were accepted.
//
// # What becomes known
//
// Learned.SNI is the name, "" if there is none: a rule that allows by name does
// not match then. SSL 2.0's form of the hello, which old clients send, has none.
// Learned.ALPN are the protocols offered, with commas. Learned.ECH says that the
// hello has an encrypted one in it (RFC 9849): its name is the outer one, unless
// the extension is there for show (GREASE), which cannot be told.
//
// A denial comes after the connection stands, so it is a failure of the socket
// (Socket.Fail) with the code of the verdict; a program behind a gateway sees a
// reset.
package sni

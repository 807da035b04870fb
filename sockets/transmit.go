package sockets

import (
	"errors"
	"io"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// maxTransmit is what TransmitFile and TransmitPackets send at most (mswsock.h).
const maxTransmit = 1<<31 - 2

// sendSize is how much is read and sent at a time if the caller does not say, and
// maxSendSize what is kept of a file in memory whatever he says.
const (
	sendSize    = 64 << 10
	maxSendSize = 1 << 20
)

// TransmitBuffers is TRANSMIT_FILE_BUFFERS: what is sent before and after the file.
type TransmitBuffers struct{ Head, Tail []byte }

// TransmitFile (LPFN_TRANSMITFILE) sends head, n bytes of file from where it stands (0: all), and
// tail, reading and sending perSend bytes at a time (0: 64 KiB; at most 1 MiB). It
// reads in the caller's goroutine, or in one of the session's: file should be one that
// does not keep its reader waiting. Without o it blocks until all is handed to the
// network, in whatever mode the socket is, as what it had sent by then would be lost
// to view. With o it is IO_PENDING, or complete; file and buffers are lent until then.
// TF_DISCONNECT sends a FIN after it. EINVAL: other flags, or more than 2^31-2 bytes; a
// file that is shorter than n, or fails, is SYSCALLFAILURE; others are those of WSPSend.
func (s *Session) TransmitFile(h SOCKET, file io.Reader, n int64, perSend uint32, o *Overlapped, buffers *TransmitBuffers, flags uint32) wsa.Errno {
	f := functions{s: s}
	if _, e := f.find(h); e != 0 {
		return e
	}
	if n < 0 || n > maxTransmit {
		return wsa.EINVAL
	}
	var all []TransmitPacket
	if buffers != nil && buffers.Head != nil {
		all = append(all, TransmitPacket{Memory: buffers.Head})
	}
	if file != nil {
		all = append(all, TransmitPacket{File: file, Length: n})
	}
	if buffers != nil && buffers.Tail != nil {
		all = append(all, TransmitPacket{Memory: buffers.Tail})
	}
	return s.TransmitPackets(h, all, perSend, o, flags)
}

// TransmitPacket is TRANSMIT_PACKETS_ELEMENT: memory or a part of a file.
type TransmitPacket struct {
	Memory []byte
	File   io.Reader
	Length int64 // of File, bytes; 0: to its end
	EOP    bool  // TP_ELEMENT_EOP: a datagram ends here
}

// TransmitPackets (LPFN_TRANSMITPACKETS) sends the elements one after the other; it
// blocks, lends and fails as [Session.TransmitFile]. On a datagram socket, which must
// have a peer, all up to an EOP is one datagram, of at most 64 KiB (EMSGSIZE).
func (s *Session) TransmitPackets(h SOCKET, elements []TransmitPacket, perSend uint32, o *Overlapped, flags uint32) wsa.Errno {
	f := functions{s: s}
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case flags&^(TF_DISCONNECT|TF_WRITE_BEHIND|TF_USE_SYSTEM_THREAD|TF_USE_KERNEL_APC) != 0, o != nil && !k.winsock.overlapped:
		return wsa.EINVAL
	}
	if slices.ContainsFunc(elements, func(p TransmitPacket) bool { return p.Length < 0 }) {
		return wsa.EINVAL
	}
	if perSend == 0 {
		perSend = sendSize
	}
	t := &transmission{k: k, left: slices.Clone(elements), perSend: int(min(perSend, maxSendSize)), disconnect: flags&TF_DISCONNECT != 0}
	if o == nil {
		return k.winsock.run(nil, &k.wr, sending, &call{other: t.step}) // in blocking mode
	}
	return k.start(&k.wr, completion{o: o}, k.maySend, func(o *Overlapped) {
		o.step = func(o *Overlapped, pended bool) wsa.Errno {
			e := t.step(pended)
			switch e {
			case 0:
				o.n = uint32(t.sent)
			case wsa.EWOULDBLOCK:
				o.halfway = t.sent+int64(t.call.n) > 0 && k.s.Type == wsa.SOCK_STREAM
			}
			return e
		}
	}, nil, nil)
}

// transmission is the state of a TransmitPackets: at most one chunk of a file is
// in memory.
type transmission struct {
	k          *sock
	left       []TransmitPacket
	perSend    int
	disconnect bool
	chunk      []byte // read of a file
	call       call   // what is being sent; no data: nothing
	sent       int64
}

// step sends until the socket has no room, or all is sent.
func (t *transmission) step(pended bool) wsa.Errno {
	for {
		if t.call.data == nil {
			b, e := t.next()
			if e != 0 {
				return e
			}
			if b == nil {
				return t.end()
			}
			t.call = call{data: t.k.table.WSPSend, buffer: b, whole: t.k.s.Type == wsa.SOCK_STREAM}
			pended = false
		}
		e := t.k.try(&t.k.wr, &t.call, pended)
		if e == wsa.EWOULDBLOCK {
			return e
		}
		if t.sent += int64(t.call.n); t.sent > maxTransmit {
			e = wsa.EINVAL
		}
		t.call = call{}
		if e != 0 {
			return e
		}
	}
}

func (t *transmission) end() wsa.Errno {
	if !t.disconnect {
		return 0
	}
	t.disconnect = false
	e := t.k.table.WSPShutdown(t.k.s, wsa.SD_SEND)
	if e == 0 {
		t.k.winsock.over[sending].Store(true)
	}
	return e
}

// next is what is sent next: nil at the end. A datagram is gathered, a stream is
// cut into pieces.
func (t *transmission) next() ([]byte, wsa.Errno) {
	if t.k.s.Type != wsa.SOCK_STREAM {
		return t.datagram()
	}
	for len(t.left) > 0 {
		b, e := t.piece(&t.left[0], t.perSend)
		if e != 0 || len(b) > 0 {
			return b, e
		}
		t.left = t.left[1:]
	}
	return nil, 0
}

// piece takes up to n bytes off p, none at its end.
func (t *transmission) piece(p *TransmitPacket, n int) ([]byte, wsa.Errno) {
	if p.File == nil {
		b := p.Memory[:min(n, len(p.Memory))]
		p.Memory = p.Memory[len(b):]
		return b, 0
	}
	if p.Length < 0 {
		return nil, 0
	}
	if p.Length > 0 {
		n = int(min(int64(n), p.Length))
	}
	if cap(t.chunk) < n {
		t.chunk = make([]byte, n)
	}
	m, err := io.ReadFull(p.File, t.chunk[:n])
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF), err != nil && p.Length > 0:
		return nil, wsa.SYSCALLFAILURE
	case err != nil:
		p.Length = -1 // its end
	case p.Length > 0:
		if p.Length -= int64(m); p.Length == 0 {
			p.Length = -1
		}
	}
	return t.chunk[:m], 0
}

// datagram gathers the elements up to an EOP.
func (t *transmission) datagram() ([]byte, wsa.Errno) {
	if len(t.left) == 0 {
		return nil, 0
	}
	whole := []byte{}
	for len(t.left) > 0 {
		p := &t.left[0]
		for {
			b, e := t.piece(p, 1<<16)
			if e != 0 {
				return nil, e
			}
			if len(b) == 0 {
				break
			}
			if whole = append(whole, b...); len(whole) > 1<<16 {
				return nil, wsa.EMSGSIZE
			}
		}
		eop := p.EOP
		t.left = t.left[1:]
		if eop {
			break
		}
	}
	return whole, 0
}

package winsocktest

import (
	"errors"
	"io"
	"strings"
	"testing/iotest"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// transmit is TransmitFile, blocking.
func (e *End) transmit(s sockets.SOCKET, file io.Reader, n int64, perSend uint32, buffers *sockets.TransmitBuffers, flags uint32) wsa.Errno {
	return e.Session.TransmitFile(s, file, n, perSend, nil, buffers, flags)
}

// 5.9: TransmitFile and TransmitPackets.
var _ = add(
	Row{Section: "5.9", Name: "TransmitFile: head, file and tail", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("TransmitFile", w.S.transmit(s, strings.NewReader("file"), 0, 0, &sockets.TransmitBuffers{Head: []byte("head "), Tail: []byte(" tail")}, 0), 0)
		equal(w, "text", w.C.Read(c, 14), "head file tail")
	}},
	Row{Section: "5.9", Name: "TransmitFile: n bytes from where the file stands", Run: func(w *Case) {
		c, s := w.Connected()
		file := strings.NewReader("0123456789")
		file.Seek(3, io.SeekStart)
		w.Want("TransmitFile", w.S.transmit(s, file, 4, 0, nil, 0), 0)
		equal(w, "text", w.C.Read(c, 4), "3456")
		equal(w, "left", file.Len(), 3)
	}},
	Row{Section: "5.9", Name: "TransmitFile: pieces of any size", Run: func(w *Case) {
		for _, size := range []uint32{1, 3, 7, 100} {
			c, s := w.Connected()
			w.Want("TransmitFile", w.S.transmit(s, iotest.OneByteReader(strings.NewReader("0123456789")), 7, size, nil, 0), 0)
			equal(w, "text", w.C.Read(c, 7), "0123456")
		}
	}},
	Row{Section: "5.9", Name: "TransmitFile: no file: the buffers alone", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("TransmitFile", w.S.transmit(s, nil, 0, 0, &sockets.TransmitBuffers{Head: []byte("he"), Tail: []byte("llo")}, 0), 0)
		equal(w, "text", w.C.Read(c, 5), "hello")
	}},
	Row{Section: "5.9", Name: "TransmitFile: TF_DISCONNECT sends a FIN after it", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("TransmitFile", w.S.transmit(s, strings.NewReader("hello"), 0, 0, nil, sockets.TF_DISCONNECT), 0)
		equal(w, "text", w.C.Read(c, 5), "hello")
		text, e := w.C.Recv(c, 9, 0)
		w.Want("WSPRecv", e, 0)
		equal(w, "the end", text, "")
		w.Want("WSPSend", w.S.send(s, "x", 0), wsa.ESHUTDOWN)
		w.C.Send(c, "world")
		equal(w, "text", w.S.Read(s, 5), "world")
	}},
	Row{Section: "5.9", Name: "TransmitFile, overlapped: larger than all buffers; the record counts all", Run: func(w *Case) {
		c, s := w.Connected()
		port, o := w.port(s, 0), w.S.operation(s, 0)
		const size = large
		w.S.narrow(s)
		buffers := &sockets.TransmitBuffers{Head: []byte("head"), Tail: []byte("tail!")}
		w.Want("TransmitFile", w.S.Session.TransmitFile(s, io.LimitReader(zeros{}, size), size, 0, &o.Overlapped, buffers, 0), wsa.IO_PENDING)
		equal(w, "end", w.C.readAll(c, size+9), "tail!")
		equal(w, "record", w.next(port), sockets.Completion{Key: 7, Overlapped: &o.Overlapped, N: size + 9})
	}},
	Row{Section: "5.9", Name: "TransmitFile, overlapped: cancelled by close", Run: func(w *Case) {
		_, s := w.Connected()
		o := w.S.operation(s, 0)
		w.Want("TransmitFile", w.S.Session.TransmitFile(s, zeros{}, 1<<30, 0, &o.Overlapped, nil, 0), wsa.IO_PENDING)
		w.Want("WSPCloseSocket", w.S.WSPCloseSocket(s), 0)
		o.await(wsa.OPERATION_ABORTED)
	}},
	Row{Section: "5.9", Name: "TransmitFile: a file that is too short, or fails: an error", Run: func(w *Case) {
		c, s := w.Connected()
		w.Want("too short", w.S.transmit(s, strings.NewReader("x"), 2, 0, nil, 0), wsa.SYSCALLFAILURE)
		w.Want("fails", w.S.transmit(s, iotest.ErrReader(errors.New("disk")), 0, 0, nil, 0), wsa.SYSCALLFAILURE)
		w.S.Send(s, "hello")
		if text := w.C.Read(c, 5); text != "hello" { // a part of the file may have been sent before
			equal(w, "text", text+w.C.Read(c, 1), "xhello")
		}
	}},
	Row{Section: "5.9", Name: "TransmitFile: WSAEINVAL: flags, sizes", Run: func(w *Case) {
		_, s := w.Connected()
		w.Want("flags", w.S.transmit(s, nil, 0, 0, nil, 0x40), wsa.EINVAL)
		w.Want("negative", w.S.transmit(s, zeros{}, -1, 0, nil, 0), wsa.EINVAL)
		w.Want("too much", w.S.transmit(s, zeros{}, 1<<31-1, 0, nil, 0), wsa.EINVAL)
		plain := w.S.OpenWith(wsa.SOCK_STREAM, wsa.IPPROTO_TCP, 0)
		w.Want("not overlapped", w.S.Session.TransmitFile(plain, nil, 0, 0, new(sockets.Overlapped), nil, 0), wsa.EINVAL)
	}},
	Row{Section: "5.9", Name: "TransmitFile: WSAENOTCONN", Run: func(w *Case) {
		w.Want("TransmitFile", w.S.transmit(w.S.TCP(), strings.NewReader("x"), 0, 0, nil, 0), wsa.ENOTCONN)
	}},
	Row{Section: "5.9", Name: "TransmitPackets: memory and parts of files, in order", Run: func(w *Case) {
		c, s := w.Connected()
		file := strings.NewReader("0123456789")
		w.Want("TransmitPackets", w.S.Session.TransmitPackets(s, []sockets.TransmitPacket{
			{Memory: []byte("a")}, {File: file, Length: 2}, {Memory: []byte("b")}, {File: file, Length: 3}, {}, {Memory: []byte("c")},
		}, 0, nil, 0), 0)
		equal(w, "text", w.C.Read(c, 8), "a01b234c")
	}},
	Row{Section: "5.9", Name: "TransmitPackets: a datagram ends at TP_ELEMENT_EOP", Run: func(w *Case) {
		c, s, to := w.datagrams()
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		o := w.C.operation(c, 0)
		w.Want("TransmitPackets", w.C.Session.TransmitPackets(c, []sockets.TransmitPacket{
			{Memory: []byte("he")}, {File: strings.NewReader("llo"), EOP: true}, {Memory: []byte("world")},
		}, 0, &o.Overlapped, 0), 0)
		for _, want := range []string{"hello", "world"} {
			text, e := w.S.Recv(s, 64, 0)
			w.Want("WSPRecv", e, 0)
			equal(w, "text", text, want)
		}
		n, e := o.result()
		w.Want("WSPGetOverlappedResult", e, 0)
		equal(w, "bytes", n, 10)
	}},
	Row{Section: "5.9", Name: "TransmitPackets: a datagram without a peer, or too large", Run: func(w *Case) {
		c, _, to := w.datagrams()
		packet := []sockets.TransmitPacket{{Memory: []byte("x")}}
		w.Want("no peer", w.C.Session.TransmitPackets(c, packet, 0, nil, 0), wsa.ENOTCONN)
		w.Want("WSPConnect", w.C.Connect(c, to), 0)
		packet[0].Memory = make([]byte, 65536)
		w.Want("too large", w.C.Session.TransmitPackets(c, packet, 0, nil, 0), wsa.EMSGSIZE)
	}},
)

// zeros is a file of zeros without an end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

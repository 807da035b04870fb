package sockets_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// TestFaces is the table of spi-notes 3, written a second time: by what a Go
// program asks of the error.
func TestFaces(t *testing.T) {
	const datagram, stream = true, false
	for _, row := range []struct {
		op   string
		over bool
		code wsa.Errno
		want error // nil: success
	}{
		{"read", datagram, wsa.ECONNRESET, syscall.ECONNREFUSED},
		{"write", datagram, wsa.ECONNRESET, syscall.ECONNREFUSED},
		{"read", datagram, wsa.ENETRESET, syscall.EHOSTUNREACH},
		{"write", datagram, wsa.ENETRESET, syscall.EHOSTUNREACH},
		{"read", datagram, wsa.EMSGSIZE, nil},
		{"write", datagram, wsa.EMSGSIZE, syscall.EMSGSIZE},
		{"write", datagram, wsa.ENOTCONN, syscall.EDESTADDRREQ},
		{"read", stream, wsa.ESHUTDOWN, io.EOF},
		{"write", stream, wsa.ESHUTDOWN, syscall.EPIPE},
		{"read", stream, wsa.ECONNABORTED, syscall.ECONNRESET},
		{"write", stream, wsa.ECONNABORTED, syscall.ECONNRESET},
		{"accept", stream, wsa.ECONNABORTED, syscall.ECONNABORTED},
		{"read", stream, wsa.ECONNRESET, syscall.ECONNRESET},
		{"write", stream, wsa.ECONNRESET, syscall.ECONNRESET},
		{"read", stream, wsa.ENETRESET, syscall.ETIMEDOUT},
		{"write", stream, wsa.ENETRESET, syscall.ETIMEDOUT},
		{"read", stream, wsa.ETIMEDOUT, syscall.ETIMEDOUT},
		{"read", stream, wsa.ENOTSOCK, net.ErrClosed},
		{"dial", stream, wsa.NOTINITIALISED, net.ErrClosed},
		{"dial", stream, wsa.ECONNREFUSED, syscall.ECONNREFUSED},
		{"dial", stream, wsa.EACCES, os.ErrPermission},
		{"write", datagram, wsa.EACCES, os.ErrPermission},
		{"dial", stream, wsa.EMFILE, syscall.EMFILE},
		{"dial", stream, wsa.EAFNOSUPPORT, errors.ErrUnsupported},
	} {
		t.Run(fmt.Sprintf("%s %v %s", row.op, row.over, row.code.Name()), func(t *testing.T) {
			got := sockets.Translate(row.op, row.over, row.code)
			if row.want == nil && got != nil || !errors.Is(got, row.want) {
				t.Errorf("%v (%T), want %v", got, got, row.want)
			}
		})
	}
}

// TestFacesTotal: whatever a layer returns becomes an error, and one that is not
// in the table keeps its code.
func TestFacesTotal(t *testing.T) {
	translated := 0
	for e := wsa.Errno(1); e < 12000; e++ {
		for _, op := range []string{"dial", "listen", "accept", "read", "write", "close", "set"} {
			for _, datagram := range []bool{false, true} {
				err := sockets.Translate(op, datagram, e)
				if c, ok := wsa.Code(err); ok && c == e {
					continue
				}
				translated++
				if err == nil && !(op == "read" && datagram && e == wsa.EMSGSIZE) {
					t.Errorf("%s %v %s is no error", op, datagram, e.Name())
				}
			}
		}
	}
	if want := 11 + 2*14; translated != want {
		t.Errorf("%d combinations are translated, the table has %d", translated, want)
	}
	if err := sockets.Translate("read", false, 0); err != nil {
		t.Errorf("success is %v", err)
	}
}

// TestErrnoStandsInOpError: net.OpError.Timeout looks one level down.
func TestErrnoStandsInOpError(t *testing.T) {
	b := &script{table: provider.ProcTable{
		WSPRecv: func(*provider.Socket, *provider.Msg) (int, wsa.Errno) { return 0, wsa.ETIMEDOUT },
	}}
	c := dial(t, start(t, b))
	_, err := c.Read(make([]byte, 1))
	o, ok := err.(*net.OpError)
	if !ok || o.Err != error(wsa.ETIMEDOUT) || !o.Timeout() {
		t.Errorf("%#v", err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a dead peer is taken for a deadline")
	}
}

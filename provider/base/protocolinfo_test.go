package base_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/wsa"
)

// everyField is an entry in which no field is like another, or zero.
var everyField = provider.ProtocolInfo{
	ServiceFlags1: 1, ProviderFlags: 2, ProviderID: provider.GUID{3, 4, 5, 15: 6}, CatalogEntryID: 7,
	Chain:   provider.ProtocolChain{Len: 7, Entries: [7]provider.CatalogID{8, 9, 10, 11, 12, 13, 14}},
	Version: 15, AddressFamily: -16, MaxSockAddr: 17, MinSockAddr: 18, SocketType: 19, Protocol: 20, ProtocolMaxOffset: 21,
	NetworkByteOrder: 22, SecurityScheme: 23, MessageSize: 24, ProviderReserved: 25, Name: "MSAFD Tcpip [TCP/IP] \u00e4 \U0001f642",
}

func TestProtocolInfoBytes(t *testing.T) {
	b := base.AppendProtocolInfo([]byte("before"), &everyField)[6:]
	if len(b) != 628 {
		t.Fatalf("%d bytes", len(b))
	}
	if got, e := base.ParseProtocolInfo(append(b, 1, 2, 3)); e != 0 || got != everyField {
		t.Errorf("%+v, %v; want %+v", got, e, everyField)
	}
	for n := range b {
		if _, e := base.ParseProtocolInfo(b[:n]); e != wsa.EFAULT {
			t.Fatalf("%d bytes: %v", n, e)
		}
	}
	for what, spoil := range map[string]func(b []byte){
		"a chain of 8":  func(b []byte) { binary.LittleEndian.PutUint32(b[40:], 8) },
		"a chain of -1": func(b []byte) { binary.LittleEndian.PutUint32(b[40:], 1<<32-1) },
		"no NUL":        func(b []byte) { copy(b[116:], strings.Repeat("x\x00", 256)) },
	} {
		broken := bytes.Clone(b)
		spoil(broken)
		if got, e := base.ParseProtocolInfo(broken); e != wsa.EINVAL || got != (provider.ProtocolInfo{}) {
			t.Errorf("%s: %+v, %v", what, got, e)
		}
	}
	long := everyField
	long.Name = strings.Repeat("x", 300)
	if got, e := base.ParseProtocolInfo(base.AppendProtocolInfo(nil, &long)); e != 0 || got.Name != long.Name[:255] {
		t.Errorf("a long name is %q, %v", got.Name, e)
	}
}

// FuzzProtocolInfo: what is read is written again, but for what is reserved, what
// stands behind the name, and what is no UTF-16.
func FuzzProtocolInfo(f *testing.F) {
	f.Add(base.AppendProtocolInfo(nil, &everyField))
	f.Add(base.AppendProtocolInfo(nil, &provider.ProtocolInfo{}))
	f.Add(make([]byte, 627))
	f.Add(bytes.Repeat([]byte{0xff}, 628))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, e := base.ParseProtocolInfo(b)
		if e != 0 {
			if (len(b) < 628) != (e == wsa.EFAULT) || i != (provider.ProtocolInfo{}) {
				t.Fatalf("%d bytes: %v, %+v", len(b), e, i)
			}
			return
		}
		again := base.AppendProtocolInfo(nil, &i)
		if j, e := base.ParseProtocolInfo(again); e != 0 || j != i {
			t.Fatalf("%+v, %v; want %+v", j, e, i)
		}
		if !bytes.Equal(again[:4], b[:4]) || !bytes.Equal(again[16:116], b[16:116]) {
			t.Fatalf("% x became % x", b, again)
		}
	})
}

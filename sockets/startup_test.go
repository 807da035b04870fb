package sockets_test

import (
	"reflect"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/sockets/socketstest"
)

// TestWSPStartup: winsock-spi 3.1 and 3.2.
func TestWSPStartup(t *testing.T) {
	cfg := sockets.Config{Catalog: socketstest.Catalog(t, &script{})}
	var data provider.WSPData
	for _, row := range []struct {
		name    string
		version uint16
		data    *provider.WSPData
		cfg     sockets.Config
		want    wsa.Errno
	}{
		{"less than 2.2", provider.MAKEWORD(1, 1), &data, cfg, wsa.VERNOTSUPPORTED},
		{"no data", 0x0202, nil, cfg, wsa.EFAULT},
		{"no catalog", 0x0202, &data, sockets.Config{}, wsa.EINVAL},
	} {
		if _, _, _, e := sockets.WSPStartup(row.version, row.data, row.cfg); e != row.want || data != (provider.WSPData{}) {
			t.Errorf("%s: %v, %+v", row.name, e, data)
		}
	}
	for _, version := range []uint16{0x0202, provider.MAKEWORD(3, 0)} {
		s, table, up, e := sockets.WSPStartup(version, &data, cfg)
		if e != 0 || data.Version != 0x0202 || data.HighVersion != 0x0202 || data.Description == "" {
			t.Fatalf("%v, %+v", e, data)
		}
		complete(t, table, 30)
		complete(t, up, 15)
		if e := s.WSPStartup(0x0202, &data); e != 0 {
			t.Error(e)
		}
		h, e := table.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, 0)
		if e != 0 {
			t.Fatal(e)
		}
		for i, want := range []wsa.Errno{0, 0, wsa.NOTINITIALISED} {
			if e := table.WSPCleanup(); e != want {
				t.Errorf("WSPCleanup %d: %v, want %v", i, e, want)
			}
			alive := wsa.Errno(0)
			if i > 0 {
				alive = wsa.NOTINITIALISED
			}
			if e := table.WSPListen(h, 1); e != alive {
				t.Errorf("after WSPCleanup %d: %v, want %v", i, e, alive)
			}
		}
		if e := s.WSPStartup(0x0202, &data); e != wsa.NOTINITIALISED {
			t.Errorf("WSPStartup after the last WSPCleanup: %v", e)
		}
	}
}

// complete: every entry is there, in the number of the SDK (winsock-spi 3.0, 4).
func complete(t *testing.T, table any, n int) {
	t.Helper()
	v := reflect.ValueOf(table)
	if v.NumField() != n {
		t.Errorf("%T has %d entries, want %d", table, v.NumField(), n)
	}
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			t.Errorf("%s is nil", v.Type().Field(i).Name)
		}
	}
}

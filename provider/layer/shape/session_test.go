package shape_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/sockets"
)

// Through a session, over the host's sockets, bytes come back as they were sent, the end
// of each direction behind them, and not sooner than the rate has it.
func TestSession(t *testing.T) {
	h, err := host.New(host.Config{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err) // no host base on this system
	}
	t.Cleanup(func() { h.Close() })
	cat := new(provider.Catalog)
	if _, err := cat.InstallBase("host", base.New(base.Config{Driver: h, Name: "host"})); err != nil {
		t.Fatal(err)
	}
	id, err := cat.InstallLayer("shape", layer(t, "up=4MiB/s,down=4MiB/s,burst=100KiB; tcp/*: conns=10/s,per=socket"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cat.InstallChain("shaped", []provider.CatalogID{id}); err != nil {
		t.Fatal(err)
	}
	s, err := sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the listener, and the connection
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c)
		c.Write(all)
	}()
	c, err := s.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	data := bytes.Repeat([]byte("what is sent comes back. "), 40<<10)
	start := time.Now()
	if n, err := c.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
	if d := time.Since(start); d < 400*time.Millisecond { // 2 * (1 MB - 100 KiB) at 4 MiB/s
		t.Errorf("it took %v", d)
	}
}

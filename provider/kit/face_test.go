package kit_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/kit"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// TestConn holds connections through layers of the kit, on both ends, to what
// the kernel's do.
func TestConn(t *testing.T) {
	for name, layers := range map[string]func() []provider.Layer{
		"one":         func() []provider.Layer { return []provider.Layer{relay(0)} },
		"handed over": func() []provider.Layer { return []provider.Layer{layer(kit.Config{}, handsOver), relay(10)} },
		"three":       func() []provider.Layer { return []provider.Layer{relay(0), relay(100), relay(0)} },
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				s, err := sockets.Startup(sockets.Config{Catalog: catalog(t, layers()...)})
				if err != nil {
					return nil, nil, nil, err
				}
				ln, err := s.Listen(t.Context(), "tcp", "127.0.0.1:0")
				if err != nil {
					return nil, nil, nil, err
				}
				if c1, err = s.DialContext(t.Context(), "tcp", ln.Addr().String()); err != nil {
					return nil, nil, nil, err
				}
				if c2, err = ln.Accept(); err != nil {
					return nil, nil, nil, err
				}
				return c1, c2, func() {
					c1.Close()
					c2.Close()
					ln.Close()
					if err := s.Close(); err != nil {
						t.Errorf("the session ended with %v", err)
					}
				}, nil
			})
		})
	}
}

// handsOver is a layer that looks at the first bytes of what the application
// sends, and leaves.
func handsOver(_ context.Context, x *kit.Exchange) error {
	if err := x.Net.Handover(); err != nil {
		return err
	}
	b := make([]byte, 10)
	n, err := x.App.Read(b)
	if err != nil {
		return err
	}
	if _, err := x.Net.Write(b[:n]); err != nil {
		return err
	}
	return x.App.Handover()
}

func relay(buffer int) provider.Layer { return layer(kit.Config{Buffer: buffer}, shoutless) }

func catalog(t testing.TB, layers ...provider.Layer) *provider.Catalog {
	t.Helper()
	cat := new(provider.Catalog)
	if _, err := cat.InstallBase("base", base.New(base.Config{Driver: basetest.NewNetwork(basetest.NetworkConfig{})})); err != nil {
		t.Fatal(err)
	}
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := cat.InstallLayer(string(rune('a'+i)), l)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return cat
	}
	if _, err := cat.InstallChain("chain", ids); err != nil {
		t.Fatal(err)
	}
	return cat
}

// BenchmarkStream moves bytes from one socket to another in memory, both
// through the layers.
func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name   string
		layers []provider.Layer
	}{
		{"no layer", nil},
		{"one", []provider.Layer{relay(0)}},
		{"three", []provider.Layer{relay(0), relay(0), relay(0)}},
		{"handed over", []provider.Layer{layer(kit.Config{}, handsOver)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := sockets.Startup(sockets.Config{Catalog: catalog(b, c.layers...)})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			ln, err := s.Listen(b.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			from, err := s.DialContext(b.Context(), "tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			to, err := ln.Accept()
			if err != nil {
				b.Fatal(err)
			}
			chunk := make([]byte, 32<<10)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			go func() {
				for range b.N {
					from.Write(chunk)
				}
			}()
			b.ResetTimer()
			if _, err := io.CopyN(io.Discard, to, int64(b.N)*int64(len(chunk))); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// shouter turns what the dialling side sends to upper case.
type shouter struct{}

func (shouter) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return kit.Conversation(r, next, kit.Config{}, func(_ context.Context, x *kit.Exchange) error {
		if x.Accepted {
			return x.Handover() // nothing to do here
		}
		return x.Both(
			func() error { return shoutUp(x.Net, x.App, 4096) },
			func() error { return kit.Copy(x.App, x.Net) },
		)
	}), 0
}

func ExampleConversation() {
	cat := new(provider.Catalog)
	cat.InstallBase("memory", base.New(base.Config{Driver: basetest.NewNetwork(basetest.NetworkConfig{})}))
	id, _ := cat.InstallLayer("shouter", shouter{})
	cat.InstallChain("loud", []provider.CatalogID{id})
	s, err := sockets.Startup(sockets.Config{Catalog: cat})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ln, _ := s.Listen(context.Background(), "tcp", "127.0.0.1:80")
	c, _ := s.DialContext(context.Background(), "tcp", "127.0.0.1:80")
	fmt.Fprint(c, "hello, far end")
	c.Close()
	far, _ := ln.Accept()
	heard, _ := io.ReadAll(far)
	fmt.Printf("%s\n", heard)
	// Output: HELLO, FAR END
}

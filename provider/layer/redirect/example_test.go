package redirect_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/sockets"
)

// A program asks for a server on the internet, and gets the one on this machine. With
// provider/host or provider/netstack in place of the network in memory the rest stays.
func Example() {
	rule, err := redirect.ParseRule("tcp/203.0.113.1:80=127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	l, err := redirect.New(redirect.Config{Rules: []redirect.Rule{rule}})
	if err != nil {
		log.Fatal(err)
	}
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there, here := session(network), session(network, l)
	defer there.Close()
	defer here.Close()
	server, err := there.Listen(context.Background(), "tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	go func() {
		if c, err := server.Accept(); err == nil {
			fmt.Fprint(c, "hello from ", c.LocalAddr())
			c.Close()
		}
	}()
	c, err := here.Dial("tcp", "203.0.113.1:80")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	text, _ := io.ReadAll(c)
	fmt.Printf("%s, peer %s\n", text, c.RemoteAddr())
	// Output: hello from 127.0.0.1:8080, peer 203.0.113.1:80
}

// session is one of a host in memory, with the layers over all its protocols.
func session(d base.Driver, layers ...provider.Layer) *sockets.Session {
	catalog := new(provider.Catalog)
	bases, err := catalog.InstallBase("memory", base.New(base.Config{Driver: d}))
	if err != nil {
		log.Fatal(err)
	}
	var ids []provider.CatalogID
	for i, l := range layers {
		id, err := catalog.InstallLayer(fmt.Sprint("layer ", i), l)
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		if _, err := catalog.InstallMandatoryChain("chain", ids, bases...); err != nil {
			log.Fatal(err)
		}
	}
	s, err := sockets.Startup(sockets.Config{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

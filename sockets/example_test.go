package sockets_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/sockets"
)

// A server and a client on two hosts of a network that exists in this program
// only. With provider/netstack or provider/host in the place of the network in
// memory the rest stays as it is.
func Example() {
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there := session(network.Host(netip.MustParseAddr("10.0.0.2")))
	defer there.Close()
	here := session(network)
	defer here.Close()

	l, err := there.Listen(context.Background(), "tcp", "10.0.0.2:80")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.URL.Path[1:])
	})}
	go srv.Serve(l)
	defer srv.Close()

	transport := &http.Transport{DialContext: here.DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	resp, err := client.Get("http://10.0.0.2/gopher")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body))

	_, err = client.Get("http://10.0.0.2:81/")
	fmt.Println(err)
	// Output:
	// hello, gopher
	// Get "http://10.0.0.2:81/": dial tcp 10.0.0.2:81: connection refused
}

// session is a session whose catalog has one base, over a driver. Layers and
// chains would be installed in the catalog here.
func session(d base.Driver) *sockets.Session {
	catalog := new(provider.Catalog)
	if _, err := catalog.InstallBase("memory", base.New(base.Config{Driver: d})); err != nil {
		log.Fatal(err)
	}
	s, err := sockets.Startup(sockets.Config{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

package sockets_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/base/basetest"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// doorman is a layer: it says where each connection goes, and lets none go to the
// mail server. It replaces one entry; the others are those of the storey below.
type doorman struct{}

func (doorman) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	connect := next.WSPConnect
	return provider.ProcTable{
		WSPConnect: func(s *provider.Socket, r *provider.ConnectRequest) wsa.Errno {
			if r.To.Port() == 25 {
				fmt.Println("no mail:", r.To)
				return wsa.EACCES
			}
			fmt.Println("connect:", r.To)
			return connect(s, r)
		},
	}, 0
}

// A layer is installed as a Windows installer does it, over every base of the catalog,
// and from then on each socket has it.
func Example_layer() {
	network := basetest.NewNetwork(basetest.NetworkConfig{})
	there := session(network.Host(netip.MustParseAddr("10.0.0.2")))
	defer there.Close()
	l, err := there.Listen(context.Background(), "tcp", "10.0.0.2:80")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	catalog := new(provider.Catalog)
	if _, err := catalog.InstallBase("memory", base.New(base.Config{Driver: network})); err != nil {
		log.Fatal(err)
	}
	id := provider.NewGUID()
	if _, err := catalog.WSCInstallProviderAndChains(id, "doorman", "doorman", doorman{}, 0, nil); err != nil {
		log.Fatal(err)
	}
	for _, e := range catalog.Snapshot().WSAEnumProtocols([]int32{wsa.IPPROTO_TCP})[:1] {
		fmt.Println(e.Name)
	}

	s, err := sockets.Startup(sockets.Config{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for _, to := range []string{"10.0.0.2:80", "10.0.0.2:25"} {
		c, err := s.Dial("tcp", to)
		if err != nil {
			fmt.Println(err, errors.Is(err, os.ErrPermission))
			continue
		}
		c.Close()
	}
	// Output:
	// doorman over [MSAFD Tcpip [TCP/IP]]
	// connect: 10.0.0.2:80
	// no mail: 10.0.0.2:25
	// dial tcp 10.0.0.2:25: permission denied true
}

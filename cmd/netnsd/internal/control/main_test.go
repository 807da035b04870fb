//go:build linux

package control_test

import (
	"os"
	"testing"

	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "ask" { // a child of TestPeers
		ask(os.Args[2])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "hold" { // a child of TestRefusedConnections
		hold(os.Args[2])
		return
	}
	providertest.Main(m)
}

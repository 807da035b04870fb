//go:build linux

// Command netnsd runs programs in networks of their own: a userspace TCP/IP stack
// behind a TUN device, where every socket is made by WSPSocket through a chain
// of providers.
//
//	main ── cli ──┬─ run ─────┬─ chain     the layers, and the order they stand in
//	              │           ├─ opener    namespaces, device, becoming the program
//	              │           └─ doctor    what keeps run from working
//	              ├─ explain ── chain
//	              ├─ demo ───── run, chain
//	              └─ bench ──── the module's packages bench and bench/report
package main

import (
	"os"

	"github.com/netnsd/netnsd/bench"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/cli"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

func main() {
	bench.Child() // load generators, servers and contenders of `netnsd bench`
	if os.Args[0] == opener.Name {
		os.Exit(opener.Main(os.Args[1:]))
	}
	os.Exit(cli.Main(os.Args[1:]))
}

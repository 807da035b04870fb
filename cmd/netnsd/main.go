//go:build linux

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

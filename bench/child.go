//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/internal/load"
	"github.com/netnsd/netnsd/bench/internal/subject"
)

// Child turns the process into load generator, servers or contender if it was
// started as one by a run, and then does not return. Call it first thing in main
// or TestMain.
func Child() {
	switch part := lab.Part(); part {
	case "":
	case contender.PartLoad:
		play(load.Generate)
	case contender.PartServe:
		play(load.Serve)
	case contender.PartOurs:
		play(subject.Run)
	case lab.PartExec:
		var x lab.Exec
		err := lab.Spec(&x)
		if err == nil {
			err = x.Become()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "bench: no part %q\n", part)
		os.Exit(1)
	}
}

func play[S any](run func(S) (func(string, json.RawMessage) (any, error), func() error, error)) {
	lab.Serve(func() (func(string, json.RawMessage) (any, error), func() error, error) {
		var s S
		if err := lab.Spec(&s); err != nil {
			return nil, nil, err
		}
		return run(s)
	})
}

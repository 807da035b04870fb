//go:build linux

package run

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// What cannot be had is said, and with --strict nothing runs.
func TestHeld(t *testing.T) {
	var out bytes.Buffer
	p := &plane{chain: new(chain.Chain), log: slog.New(slog.NewTextHandler(&out, nil))}
	there := opener.Mean{Against: "this", By: "that"}
	missing := opener.Mean{Against: "vsock", By: "seccomp filter", Missing: "an old kernel"}
	if err := p.held([]opener.Mean{there}, nil, true); err != nil || out.Len() > 0 {
		t.Errorf("%v, %s", err, out.String())
	}
	if err := p.held([]opener.Mean{there, missing}, nil, false); err != nil || !strings.Contains(out.String(), "nothing holds vsock") {
		t.Errorf("%v, %s", err, out.String())
	}
	if err := p.held([]opener.Mean{there, missing}, nil, true); err == nil || !strings.Contains(err.Error(), "an old kernel") {
		t.Errorf("--strict: %v", err)
	}
}

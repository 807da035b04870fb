package audit_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A FIFO that nobody reads keeps the chain from being built; it does not hang it.
func TestFIFOWithoutReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	l := audit.New(audit.Config{Path: path})
	if err := l.Check(); err != nil {
		t.Errorf("check: %v; it must not take the reader's first opening", err)
	}
	if _, err := providertest.TryBuild(new(providertest.Base), wsa.IPPROTO_TCP, l); !errors.Is(err, wsa.EPROVIDERFAILEDINIT) {
		t.Errorf("built: %v, want WSAEPROVIDERFAILEDINIT", err)
	}
}

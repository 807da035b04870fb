package provider

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
)

// stopping is a disk that fails at its nth change and after, half done, as when the
// machine stops there.
type stopping struct {
	osDisk
	left  *int
	links bool // the file system has hard links
}

var errStopped = errors.New("the machine stops")

func (d stopping) step() bool { *d.left--; return *d.left >= 0 }

func (d stopping) write(path string, b []byte) error {
	if !d.step() {
		if *d.left == -1 {
			os.WriteFile(path, b[:len(b)/3], 0o600)
		}
		return errStopped
	}
	return d.osDisk.write(path, b)
}

func (d stopping) link(from, to string) error {
	switch {
	case !d.links:
		return errors.ErrUnsupported
	case !d.step():
		return errStopped
	}
	return d.osDisk.link(from, to)
}

func (d stopping) rename(from, to string) error {
	if !d.step() {
		return errStopped
	}
	return d.osDisk.rename(from, to)
}

func (d stopping) remove(path string) error {
	if !d.step() {
		return errStopped
	}
	return d.osDisk.remove(path)
}

func (d stopping) syncDir(path string) error {
	if !d.step() {
		return errStopped
	}
	return d.osDisk.syncDir(path)
}

// TestCatalogFileCrash: wherever the machine stops there is the state before or the one
// after, with a good file and with a broken one; and what was refused has not happened.
func TestCatalogFileCrash(t *testing.T) {
	for _, kind := range []struct{ broken, links bool }{{false, true}, {false, false}, {true, true}} {
		for n, over := 0, false; !over && !t.Failed(); n++ {
			t.Run(fmt.Sprintf("%+v, step %d", kind, n), func(t *testing.T) {
				k := newKeeper(t)
				furnished(t, k.open())
				if kind.broken {
					k.put("", []byte("{"))
				}
				before := k.open().Snapshot()
				left := n
				c, err := CatalogFile{Path: k.path, Bind: bindNamed, Damaged: func(error) {}}.open(stopping{left: &left, links: kind.links})
				if err != nil {
					t.Fatal(err)
				}
				err = c.Reset()
				over = err == nil
				if !over {
					k.is("stopped", err, wsa.NO_RECOVERY)
					same(t, "in memory", c.Snapshot(), before)
				}
				got := k.open().Snapshot()
				switch got.Generation {
				case before.Generation:
					same(t, "before", got, before)
					if over {
						t.Error("what was done is not there")
					}
				default:
					if len(got.Entries) != 2 || got.Generation != before.Generation+1 {
						t.Errorf("after: %+v", got)
					}
				}
				left = 1000
				k.is("the next", c.SetSelection(nil), 0)
				same(t, "the next", k.open().Snapshot(), c.Snapshot())
			})
		}
	}
}

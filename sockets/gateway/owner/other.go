//go:build !linux

package owner

import (
	"context"
	"errors"
	"fmt"

	"github.com/netnsd/netnsd/provider"
)

var errUnsupported = fmt.Errorf("owner: sock_diag and /proc are Linux's: %w", errors.ErrUnsupported)

// Descriptor fails: errors.ErrUnsupported.
func Descriptor() (int, error) { return -1, errUnsupported }

// Open fails: errors.ErrUnsupported.
func Open() (*Diag, error) { return nil, errUnsupported }

// Adopt fails: errors.ErrUnsupported.
func Adopt(int) (*Diag, error) { return nil, errUnsupported }

// Proc knows no process.
type Proc struct{}

// NetworkOf fails: errors.ErrUnsupported.
func NetworkOf(string) (uint64, error) { return 0, errUnsupported }

// NewProc is a Proc that knows no process.
func NewProc(uint64) *Proc { return new(Proc) }

// ByInode fails: errors.ErrUnsupported.
func (*Proc) ByInode(context.Context, uint64) (provider.Process, error) {
	return provider.Process{}, errUnsupported
}

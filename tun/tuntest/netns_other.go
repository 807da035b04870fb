//go:build !linux

package tuntest

import (
	"errors"
	"testing"
)

// RequireRoot skips the test: namespaces and TUN devices are Linux's.
func RequireRoot(t testing.TB) {
	t.Helper()
	t.Skip("needs Linux")
}

// NetNS skips the test.
func NetNS(t testing.TB) string {
	t.Helper()
	RequireRoot(t)
	return ""
}

// DeleteNetNS returns errors.ErrUnsupported.
func DeleteNetNS(path string) error { return errors.ErrUnsupported }

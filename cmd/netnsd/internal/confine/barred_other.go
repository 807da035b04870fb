//go:build linux && !amd64

package confine

// Calls of this machine alone. arm64 has the old renameat besides, which changes
// nothing that the user could not.
var (
	barred        []uint32
	looksOnlyHere []denial
)

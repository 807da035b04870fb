//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package provider

func lockDir(string) (unlock func(), err error) { return func() {}, nil }

// A directory cannot be synced here; rename is all there is.
func (osDisk) syncDir(string) error { return nil }

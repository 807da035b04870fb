package netstack

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
)

// NewBase is the base provider over a Driver for c. Several chains may stand on
// it. What the Driver holds goes with c.Stack.
func NewBase(c Config) provider.Base {
	return base.New(base.Config{Driver: New(c), RawAllowed: c.Raw})
}

package stack_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider/providertest"
)

// child runs instead of the tests where the environment says that this process
// is the helper of one.
var child = func() bool { return false }

func TestMain(m *testing.M) {
	if child() {
		return
	}
	providertest.Main(m)
}

//go:build linux

package tun_test

import (
	"os"
	"testing"

	"github.com/netnsd/netnsd/provider/providertest"
)

// asAdopter names, in the environment, the role of the process that adopter_linux_test.go starts.
const asAdopter = "TUN_TEST_ADOPTER"

func TestMain(m *testing.M) {
	if os.Getenv(asAdopter) != "" {
		os.Exit(runAdopter())
	}
	providertest.Main(m)
}

package owner

import (
	"testing"

	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

package audit_test

import (
	"io"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer {
		return audit.New(audit.Config{Path: "-", Output: io.Discard})
	})
}

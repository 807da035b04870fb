package policy_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer {
		p, err := policy.FromFlags([]string{"192.0.2.0/24"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Layer(p)
	})
}

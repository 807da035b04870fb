package shape_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/shape"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func layer(t testing.TB, text string) *shape.Layer {
	t.Helper()
	c, err := shape.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := shape.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConform(t *testing.T) {
	providertest.ConformLayer(t, func() provider.Layer {
		return layer(t, "*: down=1MiB/s, up=1MiB/s, conns=100/s, total=1GiB, sockets=9")
	})
}

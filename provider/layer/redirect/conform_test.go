package redirect_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/redirect"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestConform(t *testing.T) {
	for _, c := range []struct{ name, rule string }{
		{"redirected", "192.0.2.1:80=127.0.0.1:8080"}, {"not", "192.0.2.2=127.0.0.1"}, {"tcp alone", "tcp/192.0.2.1=127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			providertest.ConformLayer(t, func() provider.Layer { return layer(t, c.rule) })
		})
	}
}

func layer(t testing.TB, rules ...string) *redirect.Layer {
	t.Helper()
	var c redirect.Config
	for _, text := range rules {
		r, err := redirect.ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		c.Rules = append(c.Rules, r)
	}
	l, err := redirect.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

const least = "version: 1\nattachments: [{name: web, netns: {name: web}}]\n"

func parse(t *testing.T, src string) *config.Config {
	t.Helper()
	c, err := config.Parse("/etc/netnsd/netnsd.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c := parse(t, least)
	if d := c.Daemon; d.Socket != config.DefaultSocket || d.Drain != config.Duration(30*time.Second) || d.Metrics != "" || d.Log != (config.Log{Level: "info", Format: "auto"}) {
		t.Errorf("daemon: %+v", d)
	}
	if k := c.Catalog; len(k.Providers) != 1 || len(k.Chains) != 1 || k.Chains[0].Base != "host" || len(k.Select) != 1 || k.Select[0].Chain != "default" || k.Layers[0].Decides == nil {
		t.Errorf("catalog: %+v", k)
	}
	a := c.Attachments[0]
	if a.Interface != (config.Interface{Name: "tun0", Mode: "tun", MTU: 1500}) {
		t.Errorf("interface: %+v", a.Interface)
	}
	n := a.Network
	if n.IPv4.String() != "10.0.2.100/24" || n.IPv6.String() != "fd00::64/64" || len(n.Routes) != 2 {
		t.Errorf("network: %+v", n)
	}
	if n.IPv4.Gateway().String() != "10.0.2.2" || n.IPv6.Gateway().String() != "fd00::2" || n.IPv4.DNS().String() != "10.0.2.3" {
		t.Errorf("ours: %v %v %v", n.IPv4.Gateway(), n.IPv6.Gateway(), n.IPv4.DNS())
	}
	if !reflect.DeepEqual(a.Settings, c.Defaults) {
		t.Errorf("the attachment has %+v, the defaults are %+v", a.Settings, c.Defaults)
	}
}

// What is not said is taken from defaults, wherever they stand in the file.
func TestDefaultsOfTheFile(t *testing.T) {
	c := parse(t, `
attachments:
  - {name: a, netns: {name: a}, interface: {mtu: 9000}}
  - {name: b, netns: {name: b}, network: {ipv6: "fd01::/64"}}
defaults:
  interface: {name: net0}
  network: {ipv6: none}
  host_loopback: true
daemon: {drain: 0s}
version: 1
`)
	a, b := c.Attachments[0], c.Attachments[1]
	if a.Interface.Name != "net0" || a.Interface.MTU != 9000 || !a.HostLoopback {
		t.Errorf("a: %+v", a.Settings)
	}
	if a.Network.IPv6.IsValid() || len(a.Network.Routes) != 1 || !a.Network.Routes[0].Addr().Is4() {
		t.Errorf("a: %+v", a.Network)
	}
	if b.Network.IPv6.String() != "fd01::64/64" || len(b.Network.Routes) != 2 || b.Interface.MTU != 1500 {
		t.Errorf("b: %+v", b.Settings)
	}
	if c.Daemon.Drain != 0 {
		t.Errorf("drain: %v", c.Daemon.Drain)
	}
}

func TestExample(t *testing.T) {
	c, err := config.Load("testdata/netnsd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if f := c.Catalog.Layers[0].File; f != filepath.Join(here, "audit.jsonl") {
		t.Errorf("the audit is written to %s", f)
	}
	for i, pos := range []string{"", "policy.yaml:4:12", "testdata/netnsd.yaml:20:22"} {
		l := c.Catalog.Layers[i]
		if pos == "" {
			continue
		}
		if rules := l.Decides.Config().Rules; !strings.HasSuffix(rules[0].Pos, pos) {
			t.Errorf("the rule of %s stands at %s, want %s", l.Name, rules[0].Pos, pos)
		}
	}
	p := c.Attachments[0].Publish
	want := []config.Publish{
		{Proto: "tcp", Listen: endpoints(t, "127.0.0.1:8080"), To: endpoints(t, "10.0.2.100:80"), ProxyProtocol: "v2"},
		{Proto: "udp", Listen: endpoints(t, "[::1]:5353-5360"), To: endpoints(t, "[fd00::64]:5353-5360"), ProxyProtocol: "none"},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("published %+v, want %+v", p, want)
	}
	if id := p[1].ID(); id != "udp/[::1]:5353-5360" {
		t.Errorf("its id is %s", id)
	}
	if n := c.Attachments[1].Network; n.IPv4.Addr() != netip.MustParseAddr("10.7.0.9") || len(n.Routes) != 1 {
		t.Errorf("agents: %+v", n)
	}
}

func endpoints(t *testing.T, s string) (e config.Endpoints) {
	t.Helper()
	if err := e.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return e
}

// What `config show` writes is a file that says the same.
func TestShownIsTheSame(t *testing.T) {
	for _, file := range []string{"testdata/netnsd.yaml", ""} {
		src := []byte(least)
		if file != "" {
			var err error
			if src, err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		first, err := config.Parse("testdata/netnsd.yaml", src)
		if err != nil {
			t.Fatal(err)
		}
		text, err := first.YAML()
		if err != nil {
			t.Fatal(err)
		}
		second, err := config.Parse("/elsewhere/shown.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		again, err := second.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(text) {
			t.Errorf("first:\n%s\nthen:\n%s", text, again)
		}
	}
}

package shape_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/layer/shape"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]shape.Rule{
		"tcp/*:443: down=10MiB/s,up=1MiB/s,burst=64KiB; conns=100/s; total=1GiB; sockets=64": {Down: 10 << 20, Up: 1 << 20, Burst: 64 << 10, Conns: 100, Total: 1 << 30, Sockets: 64},
		"down=8Mbit/s":           {Down: 1e6},
		"up=1.5kB/s,per=socket":  {Up: 1500, Per: shape.PerSocket},
		"conns=30/min, per=name": {Conns: 0.5, Per: shape.PerName},
		"total=7":                {Total: 7},
	} {
		c, err := shape.Parse(text)
		if err != nil || len(c.Rules) != 1 {
			t.Errorf("%s: %+v, %v", text, c, err)
			continue
		}
		want.Match = c.Rules[0].Match
		if !reflect.DeepEqual(c.Rules[0], want) {
			t.Errorf("%s: %+v", text, c.Rules[0])
		}
	}
}

func TestParseMatch(t *testing.T) {
	for text, want := range map[string]string{
		"tcp/443": "tcp/*:443", "tcp/*:443": "tcp/*:443", "*": "*", "udp/*": "udp/*", "*:80,8000-8080": "*:80,8000-8080",
		"Example.COM.:443": "example.com:443", "*.example.com": "*.example.com", "tcp/192.0.2.7": "tcp/192.0.2.7",
		"192.0.2.0/24:53": "192.0.2.0/24:53", "[2001:db8::/32]:443": "[2001:db8::/32]:443", "[::1]": "[::1]",
	} {
		c, err := shape.Parse(text + ": up=1/s")
		if err != nil || len(c.Rules) != 1 || c.Rules[0].Match.String() != want {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "column 1: a setting is missing",
		"tcp/443":                 "a setting is missing",
		"down=1MiB":               `column 1: "1MiB" is no rate`,
		"up=1/s, down=1XB/s":      `column 9: "XB" is no unit`,
		"up=1/s; up=2/s":          "column 9: up stands twice",
		"up=0/s":                  "lets nothing pass",
		"up=-1/s":                 `"-1" is no number`,
		"up=1e9/s":                "is no unit",
		"up=9999999TiB/s":         "more than 1024 TiB",
		"speed=1/s":               `"speed" is not known; known are down`,
		"up=1/s,per=user":         "known are all, attachment, name, destination, socket",
		"conns=10":                "100/s or 30/min",
		"burst=1KiB":              "burst without down or up",
		"sockets=1,per=socket":    "limits nothing",
		"per=all":                 "it limits nothing",
		"*:0: up=1/s":             `"0" is no port`,
		"*:9-8: up=1/s":           `"9-8" is no port`,
		"10.0.0.1/8: up=1/s":      "write 10.0.0.0/8",
		"[10.0.0.1]: up=1/s":      "IPv4 addresses do not",
		"10.0.0.999: up=1/s":      "neither an address nor a network",
		"a..b: up=1/s":            "is no host name",
		"*: up=1/s; *: down=1/s":  "rules 1 and 2 are both about * per all",
		"up=1/s; 1.2.3: down=1/s": "column 8",
	} {
		_, err := shape.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	var syntax *shape.SyntaxError
	if _, err := shape.Parse("*"); !errors.As(err, &syntax) {
		t.Errorf("%T", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"tcp/*:443: down=10MiB/s,up=1MiB/s,burst=64KiB; conns=100/s; total=1GiB; sockets=64", "[::1]:1-2: up=1/s", "a.b: conns=1/min,per=name", ";=:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := shape.Parse(s)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("%q was read as what is not valid: %v", s, err)
		}
		for _, r := range c.Rules {
			again, err := shape.Parse(r.Match.String() + ": up=1/s")
			if err != nil || !reflect.DeepEqual(again.Rules[0].Match, r.Match) {
				t.Fatalf("%q: %v is read back as %+v, %v", s, r.Match, again, err)
			}
		}
	})
}

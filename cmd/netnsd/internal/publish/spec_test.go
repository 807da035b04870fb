//go:build linux

package publish

import (
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"8080":                        "8080:8080/tcp",
		"8080:80":                     "8080:80/tcp",
		"0:80":                        "0:80/tcp",
		"127.0.0.1:8080":              "127.0.0.1:8080:8080/tcp",
		"127.0.0.1:8080:80":           "127.0.0.1:8080:80/tcp",
		"0.0.0.0:8080:80/udp":         "0.0.0.0:8080:80/udp",
		"[::1]:8080":                  "[::1]:8080:8080/tcp",
		"[::1]:8080:80/both":          "[::1]:8080:80/both",
		"8000-8099":                   "8000-8099:8000-8099/tcp",
		"8000-8099:9000-9099/udp":     "8000-8099:9000-9099/udp",
		"[2001:db8::1]:1-65535":       "[2001:db8::1]:1-65535:1-65535/tcp",
		"8080:80,proxy=v1":            "8080:80/tcp,proxy=v1",
		"127.0.0.1:0:80/tcp,proxy=v2": "127.0.0.1:0:80/tcp,proxy=v2",
		"5300:53/udp,proxy=v2":        "5300:53/udp,proxy=v2",
		"127.0.0.1:8080-8080:80-80":   "127.0.0.1:8080:80/tcp",
		"[::]:5300:53/udp":            "[::]:5300:53/udp",
		"8080:10.0.2.100:80":          "8080:10.0.2.100:80/tcp",
		"80:[fd00::64]:81":            "80:[fd00::64]:81/tcp",
		"127.0.0.1:80:[fd00::64]:81":  "127.0.0.1:80:[fd00::64]:81/tcp",
		"[::1]:1-9:10.0.2.100:11-19":  "[::1]:1-9:10.0.2.100:11-19/tcp",
	} {
		s, err := Parse(text)
		if err != nil || s.String() != want || s.Text != text {
			t.Errorf("%q: %v, %v; want %s", text, s, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "not a publication",
		strings.Repeat("1", 101): "not a publication",
		"http":                   "not a port",
		"8080:":                  "not a port",
		":8080":                  "not a port",
		"8080:http":              "not a port",
		"65536":                  "not a port",
		"+80":                    "not a port",
		"080":                    "not a port",
		"-1":                     "not a port",
		"80 ":                    "not a port",
		"0":                      "say which one inside",
		"80:0":                   "0 is any free port",
		"0-5:1-6":                "0 is any free port",
		"9-8":                    "upside down; write 8-9",
		"1-3:1-2":                "3 ports of this host and 2 inside",
		"1-3:80":                 "3 ports of this host and 1 inside",
		"127.0.0.1":              "has no port",
		"::1":                    "brackets",
		"localhost:80":           "not an address",
		"localhost:80:80":        "not an address",
		"host.example:80":        "not an address",
		"::1:8080:80":            "brackets",
		"1:2:3:4":                "brackets",
		"127.0.0.1:1:2:3":        "too many colons",
		"80:10.0.2.100:":         "not a port",
		"80:10.0.2.100":          "not a port",
		"80:10.0.2:80":           "too many colons",
		"80:fd00::64:81":         "brackets",
		"80:[fd00::64]":          "in brackets",
		"80:[10.0.2.100]:80":     "in brackets",
		"[::1]":                  "in brackets",
		"[::1]8080":              "in brackets",
		"[127.0.0.1]:80":         "in brackets",
		"[fe80::1%eth0]:80":      "in brackets",
		"[::ffff:192.0.2.1]:80":  "in brackets",
		"8080/sctp":              "not a protocol",
		"8080/":                  "not a protocol",
		"8080/tcp/udp":           "not a protocol",
		"8080,proxy":             "not a version",
		"8080,proxy=v3":          "not a version",
		"8080,label=x":           "not an option",
		"8080,":                  "not an option",
		"53/udp,proxy=v1":        "knows no udp",
		"53/both,proxy=v1":       "knows no udp",
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, s, err, want)
		}
	}
}

// What is read is written the same way, and can be opened.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"8080", "127.0.0.1:8080-8081:80-81/udp", "[::1]:0:80,proxy=v2", "1-65535/both", "80:[::2]:81", "[::1]:80:10.0.2.100:81"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if length(s.Outside) != length(s.Inside) || length(s.Inside) < 1 || s.Inside.First == 0 || !s.TCP && !s.UDP {
			t.Fatalf("%q is %+v", text, s)
		}
		again, err := Parse(s.String())
		if again.Text = s.Text; err != nil || again != s {
			t.Fatalf("%q is %+v, and %q %+v, %v", text, s, s.String(), again, err)
		}
	})
}

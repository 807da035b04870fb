//go:build linux

package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 1023: "1023", 1024: "1.0K", 1536: "1.5K", 1<<20 - 1: "1.0M", 1 << 20: "1.0M", 1<<64 - 1: "16.0E"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

// The environment is asked, and not written down.
func TestSocketFlag(t *testing.T) {
	t.Setenv("NETNSD_SOCKET", "/elsewhere")
	cmd := newKill()
	if f := cmd.Flags().Lookup("socket"); f.Value.String() != "/elsewhere" || strings.Contains(cmd.UsageString(), "elsewhere") {
		t.Errorf("%s\n%s", f.Value, cmd.UsageString())
	}
}

func TestSince(t *testing.T) {
	for ago, want := range map[time.Duration]string{-time.Hour: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s", 3*time.Hour + 90*time.Second: "3h1m", 50 * time.Hour: "2d"} {
		if got := since(time.Now().Add(-ago - time.Millisecond)); got != want {
			t.Errorf("%v ago is %s, want %s", ago, got, want)
		}
	}
	if got := since(time.Time{}); got != "" {
		t.Errorf("never is %q", got)
	}
}

// Names come from programs that nobody trusts.
func TestTablesAreHarmless(t *testing.T) {
	var b bytes.Buffer
	err := writeFlows(&b, []control.Flow{{ID: 7, Name: "a\x1b[2J\u202eb", Process: "x\ny\tz", PID: 1}})
	if err != nil || strings.ContainsAny(b.String(), "\x1b\t\u202e") || strings.Count(b.String(), "\n") != 2 || !strings.Contains(b.String(), "a?[2J?b") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestParsePublish(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1:80":                 "tcp 127.0.0.1:80>80;",
		"127.0.0.1:80:8080/udp":        "udp 127.0.0.1:80>8080;",
		"[::1]:1-9:11-19/tcp,proxy=v2": "tcp [::1]:1-9>11-19v2;",
		"80":                           "tcp 0.0.0.0:80>80;tcp [::]:80>80;",
		"80-81:90-91/both":             "tcp 0.0.0.0:80-81>90-91;tcp [::]:80-81>90-91;udp 0.0.0.0:80-81>90-91;udp [::]:80-81>90-91;",
		"127.0.0.1:80:[fd00::64]:81":   "tcp 127.0.0.1:80>[fd00::64]:81;",
		"here:80":                      "",
		"::1:80":                       "",
		"[::1]80":                      "",
		"[127.0.0.1]:80":               "",
		"127.0.0.1:80:there":           "",
		"127.0.0.1:99999":              "",
		"127.0.0.1:0":                  "",
		"127.0.0.1:0:80":               "",
		"127.0.0.1:80/sctp":            "",
		"127.0.0.1:53/udp,proxy=v1":    "",
		"":                             "",
	} {
		all, err := parsePublish(s)
		got := ""
		for _, p := range all {
			got += p.Proto + " " + p.Listen.String() + ">" + p.To.String() + p.ProxyProtocol + ";"
		}
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%s: %s, %v; want %s", s, got, err, want)
		}
	}
}

// What flags say is what is asked for, and nothing else.
func TestAttachRequest(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
		fd   int
	}{
		{[]string{"web"}, `{"interface":{},"name":"web","netns":{"name":"web"},"network":{}}`, 0},
		{[]string{"/run/x", "--name", "a"}, `{"interface":{},"name":"a","netns":{"path":"/run/x"},"network":{}}`, 0},
		{[]string{"pid:7", "--name", "a", "--dns", "off"}, `{"dns":{"disabled":true},"interface":{},"name":"a","netns":{"pid":7},"network":{}}`, 0},
		{[]string{"fd:7", "--name", "a", "--dns", "system", "--dns", "::1"}, `{"dns":{"upstreams":["system","::1"]},"interface":{},"name":"a","netns":{"fd":7},"network":{}}`, 7},
		{[]string{"web", "--dns-zone", "corp.example=10.0.0.53", "--host", "db=::1", "--host", "db=192.0.2.1", "--no-dns-cache", "--udp", "per-flow", "--route", "10.0.0.0/8", "--limit", "tcp_flows=0100", "--limit", "udp_idle=30s"},
			`{"dns":{"hosts":["db=::1","db=192.0.2.1"],"no_cache":true,"zones":["corp.example=10.0.0.53"]},"interface":{},"limits":{"tcp_flows":100,"udp_idle":"30s"},` +
				`"name":"web","netns":{"name":"web"},"network":{"routes":["10.0.0.0/8"]},"udp":"per-flow"}`, 0},
		{[]string{"web", "--tap", "--mtu", "9000", "--device", "t", "--persist", "--host-loopback", "--chain", "k", "--net", "fd01::/64", "--net", "10.1.0.0/24", "-p", "127.0.0.1:80"},
			`{"chain":"k","host_loopback":true,"interface":{"mode":"tap","mtu":9000,"name":"t","persist":true},"name":"web","netns":{"name":"web"},"network":{"ipv4":"10.1.0.0/24","ipv6":"fd01::/64"},` +
				`"publish":[{"proto":"tcp","listen":"127.0.0.1:80","to":"80","proxy_protocol":""}]}`, 0},
	} {
		var a attachFlags
		f := pflag.NewFlagSet("attach", pflag.ContinueOnError)
		a.add(f)
		if err := f.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		r, fd, err := a.request(f, f.Arg(0))
		text, _ := json.Marshal(r)
		if err != nil || fd != c.fd || string(text) != c.want {
			t.Errorf("%q: %s, %d, %v", c.args, text, fd, err)
		}
		full, err := config.Parse("n.yaml", []byte("version: 1\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.ReadAttachment(text, full.Defaults); err != nil {
			t.Errorf("%q: %s: %v", c.args, text, err)
		}
	}
}

// The commands of the daemon have what they have in common, and say so.
func TestClientCommands(t *testing.T) {
	all := map[string]bool{"status": true, "catalog": true, "ps": true, "kill": false, "reload": true, "attach": true, "detach": false, "publish": true, "unpublish": false, "top": false}
	seen := make(map[string]bool)
	for _, cmd := range newRoot().Commands() {
		output, ours := all[cmd.Name()]
		if !ours {
			continue
		}
		seen[cmd.Name()] = true
		if cmd.Flags().Lookup("socket") == nil || (cmd.Flags().Lookup("output") != nil) != output || !strings.Contains(cmd.Long, "3 no daemon") {
			t.Errorf("%s: %s", cmd.Name(), cmd.UsageString())
		}
	}
	if got, want := slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(all)); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

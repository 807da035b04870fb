package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

// Each file has one thing wrong, at line:column; the marker stands under it.
func TestErrors(t *testing.T) {
	web := "version: 1\nattachments:\n  - name: web\n    netns: {name: web}\n"
	layers := "version: 1\ncatalog:\n  layers: [{name: p, type: policy, policy: {version: 1}}]\n"
	for _, f := range []struct {
		name, src string
		at        string
		says      string
	}{
		{"empty", "", "netnsd.yaml", "empty"},
		{"no version", "attachments: []\n", "1:1", "version: 1 is missing"},
		{"version 2", "version: 2\n", "1:10", "there is 1"},
		{"not YAML", "version: [\n", "1:10", ""},
		{"NUL", "version: 1\n\x00", "netnsd.yaml", "NUL"},
		{"two documents", "version: 1\n---\nversion: 1\n", "3:1", "one document"},
		{"a list", "- version: 1\n", "1:1", "mapping"},
		{"anchor", "version: 1\ndaemon: &d {}\n", "2:9", "anchors"},
		{"alias", "version: 1\ndaemon: {socket: *d}\n", "2:18", "anchors"},
		{"anchor in rules", "version: 1\ncatalog: {layers: [{name: a, type: policy, policy: {version: 1, rules: &r []}}]}\n", "2:72", "anchors"},
		{"tag in rules", "version: 1\ncatalog: {layers: [{name: a, type: policy, policy: {version: !!int 1}}]}\n", "2:62", "anchors"},
		{"merge in rules", "version: 1\ncatalog: {layers: [{name: a, type: policy, policy: {<<: {version: 1}}}]}\n", "2:53", "anchors"},
		{"infinity", "version: 1\ndaemon: {socket: .inf}\n", "2:18", "not a number without end"},
		{"unknown key", "version: 1\ndaemons: {}\n", "2:1", "daemon, catalog"},
		{"inner unknown key", web + "    interface: {mut: 1}\n", "5:17", "mtu"},
		{"key twice", "version: 1\nversion: 1\n", "2:1", ""},
		{"nothing", "version: 1\nattachments:\n", "2:14", "not nothing"},
		{"text for a list", "version: 1\nattachments: web\n", "2:14", "list"},
		{"list for a text", "version: 1\ndaemon: {socket: [a]}\n", "2:18", "single value"},
		{"block of text", "version: 1\ndaemon:\n  socket: |\n    a\n", "3:11", "block"},
		{"text for a number", web + "    interface: {mtu: big}\n", "5:22", "whole number"},
		{"fraction", web + "    interface: {mtu: 1500.5}\n", "5:22", "whole number"},
		{"huge number", web + "    interface: {mtu: 99999999999999999999}\n", "5:22", "whole number"},
		{"yes", web + "    host_loopback: yes\n", "5:20", "true or false"},
		{"time", "version: 1\ndaemon: {drain: 30}\n", "2:17", "30s"},
		{"negative time", "version: 1\ndaemon: {drain: -1s}\n", "2:17", "30s"},
		{"log level", "version: 1\ndaemon: {log: {level: loud}}\n", "2:23", "debug, info"},
		{"log format", "version: 1\ndaemon: {log: {format: xml}}\n", "2:24", "auto, text, json"},
		{"metrics", "version: 1\ndaemon: {metrics: 9469}\n", "2:19", "127.0.0.1:9469"},
		{"socket", "version: 1\ndaemon: {socket: \"\"}\n", "2:18", "missing"},
		{"long socket", "version: 1\ndaemon: {socket: /" + strings.Repeat("a", 107) + "}\n", "2:18", "too long"},

		{"provider without type", "version: 1\ncatalog: {providers: [{name: a}]}\n", "2:24", "host"},
		{"provider twice", "version: 1\ncatalog: {providers: [{name: a, type: host}, {name: a, type: host}]}\n", "2:53", "taken"},
		{"bad name", "version: 1\ncatalog: {providers: [{name: a/b, type: host}]}\n", "2:30", "no name"},
		{"layer type", "version: 1\ncatalog: {layers: [{name: a, type: tls}]}\n", "2:36", "policy, audit"},
		{"policy without rules", "version: 1\ncatalog: {layers: [{name: a, type: policy}]}\n", "2:21", "one of them"},
		{"policy with both", "version: 1\ncatalog: {layers: [{name: a, type: policy, file: testdata/policy.yaml, policy: {version: 1}}]}\n", "2:21", "one of them"},
		{"policy from stdin", "version: 1\ncatalog: {layers: [{name: a, type: policy, file: \"-\"}]}\n", "2:50", ""},
		{"policy absent", "version: 1\ncatalog: {layers: [{name: a, type: policy, file: absent.yaml}]}\n", "2:50", "no such file"},
		{"policy inline", "version: 1\ncatalog: {layers: [{name: a, type: policy, policy: {version: 1, rulez: []}}]}\n", "2:65", "rulez"},
		{"policy expression", "version: 1\ncatalog: {layers: [{name: a, type: policy, policy: {version: 1, rules: [{allow: \"10.0.0.0/99\"}]}}]}\n", "2:91", "bits"},
		{"audit without file", "version: 1\ncatalog: {layers: [{name: a, type: audit}]}\n", "2:21", "stderr"},
		{"audit with rules", "version: 1\ncatalog: {layers: [{name: a, type: audit, file: a, policy: {version: 1}}]}\n", "2:61", "an audit has no policy"},
		{"audit as shadow", "version: 1\ncatalog: {layers: [{name: a, type: audit, file: a, shadow: true}]}\n", "2:60", "an audit has no shadow"},
		{"trace without file", "version: 1\ncatalog: {layers: [{name: a, type: trace}]}\n", "2:21", "stderr"},
		{"shape without rules", "version: 1\ncatalog: {layers: [{name: a, type: shape}]}\n", "2:21", "a list of texts"},
		{"shape rule", "version: 1\ncatalog: {layers: [{name: a, type: shape, rules: ['down=1MiB/s', 'down=fast']}]}\n", "2:66", "column 1"},
		{"shapes that are one", "version: 1\ncatalog: {layers: [{name: a, type: shape, rules: ['down=1MiB/s', 'down=2MiB/s']}]}\n", "2:50", "both about"},
		{"redirect rule", "version: 1\ncatalog: {layers: [{name: a, type: redirect, rules: ['example.com:80']}]}\n", "2:54", "column"},
		{"redirect with a file", "version: 1\ncatalog: {layers: [{name: a, type: redirect, file: x, rules: ['example.com:80=192.0.2.1']}]}\n", "2:52", "has no file"},
		{"order of layers", "version: 1\ncatalog:\n  layers: [{name: p, type: policy, policy: {version: 1}}, {name: r, type: redirect, rules: ['*=192.0.2.1']}]\n  chains: [{name: k, layers: [r, p]}]\n", "4:30", "r stands before p, and has to stand after firewall"},
		{"chain of nothing", layers + "  chains: [{name: k, layers: []}]\n", "4:13", "at least one"},
		{"chain of an unknown layer", layers + "  chains: [{name: k, layers: [p, q]}]\n", "4:34", `no layer "q"`},
		{"chain with a layer twice", layers + "  chains: [{name: k, layers: [p, p]}]\n", "4:34", "already"},
		{"chain over an unknown base", layers + "  chains: [{name: k, layers: [p], base: q}]\n", "4:41", `no provider "q"`},
		{"chain named as the base", layers + "  chains: [{name: host, layers: [p]}]\n", "4:19", "taken"},
		{"selection of an unknown chain", layers + "  select: [{chain: k}]\n", "4:20", `no chain "k"`},
		{"selection of none", layers + "  chains: [{name: k, layers: [p]}]\n  select: [{ports: [1]}]\n", "5:13", "missing"},
		{"selection behind the last", layers + "  chains: [{name: k, layers: [p]}]\n  select: [{chain: k}, {chain: k}]\n", "5:25", "never reached"},
		{"selection of host bits", layers + "  chains: [{name: k, layers: [p]}]\n  select: [{to: [10.0.0.1/8], chain: k}]\n", "5:18", "10.0.0.0/8"},
		{"selection of port 0", layers + "  chains: [{name: k, layers: [p]}]\n  select: [{ports: [0], chain: k}]\n", "5:21", "1 to 65535"},
		{"ports backwards", layers + "  chains: [{name: k, layers: [p]}]\n  select: [{ports: [9-8], chain: k}]\n", "5:21", "1 to 65535"},

		{"no chain", layers + "  chains: [{name: k, layers: [p]}, {name: l, layers: [p]}]\nattachments: [{name: web, netns: {name: web}}]\n", "5:16", "finds a chain"},
		{"no name", "version: 1\nattachments: [{netns: {name: web}}]\n", "2:16", "missing"},
		{"same name", web + "  - {name: web, netns: {pid: 1}}\n", "5:12", "taken"},
		{"same namespace", web + "  - {name: wob, netns: {name: web}}\n", "5:25", "served as web"},
		{"no namespace", "version: 1\nattachments: [{name: a}]\n", "2:16", "one of name"},
		{"two namespaces", "version: 1\nattachments: [{name: a, netns: {name: a, pid: 7}}]\n", "2:33", "one of name"},
		{"namespace with a slash", "version: 1\nattachments: [{name: a, netns: {name: ../a}}]\n", "2:39", "path"},
		{"negative pid", "version: 1\nattachments: [{name: a, netns: {pid: -1}}]\n", "2:38", "no process"},
		{"descriptor 2", "version: 1\nattachments: [{name: a, netns: {fd: 2}}]\n", "2:37", "begin at 3"},
		{"device name", web + "    interface: {name: sixteen-letters-}\n", "5:23", "15 bytes"},
		{"device lo", web + "    interface: {name: lo}\n", "5:23", "cannot"},
		{"mode", web + "    interface: {mode: tube}\n", "5:23", "tun, tap"},
		{"mtu", web + "    interface: {mtu: 1279}\n", "5:22", "1280"},
		{"both families none", web + "    network: {ipv4: none, ipv6: none}\n", "5:15", "both"},
		{"other family", web + "    network: {ipv4: \"fd00::/64\"}\n", "5:21", "family"},
		{"network of loopback", web + "    network: {ipv4: 127.0.0.0/8}\n", "5:21", "hosts can be in"},
		{"network of nothing", web + "    network: {ipv4: 0.0.0.0/0}\n", "5:21", "hosts can be in"},
		{"small network", web + "    network: {ipv4: 10.0.0.0/28}\n", "5:21", "10.0.0.4/28"},
		{"tiny network", web + "    network: {ipv4: 10.0.0.1/30}\n", "5:21", "too small"},
		{"our address", web + "    network: {ipv4: 10.0.0.2/24}\n", "5:21", "ours"},
		{"broadcast", web + "    network: {ipv4: 10.0.0.31/27}\n", "5:21", "broadcast"},
		{"not a network", web + "    network: {ipv4: 10.0.0.1}\n", "5:21", "10.0.2.0/24"},
		{"route", web + "    network: {routes: [\"::/x\"]}\n", "5:24", "neither"},
		{"nobody to ask", web + "    dns: {upstreams: []}\n", "5:22", "disabled"},
		{"name server", web + "    dns: {upstreams: [ns.example]}\n", "5:23", "name server"},
		{"kind of server", web + "    dns: {upstreams: [\"quic://192.0.2.1\"]}\n", "5:23", "not a kind of server"},
		{"zone", web + "    dns: {zones: [corp.example]}\n", "5:19", "ZONE="},
		{"host", web + "    dns: {hosts: [a.example=192.0.2.1, db.example=here]}\n", "5:40", "NAME=ADDR"},
		{"udp", web + "    udp: some\n", "5:10", "shared, per-flow"},
		{"limit of time", web + "    limits: {keepalive: 0s}\n", "5:25", "more than nothing"},
		{"limit", web + "    limits: {udp_peers: 0}\n", "5:25", "more than nothing"},
		{"own chain", web + "    chain: k\n", "5:12", `no chain "k"`},
		{"chain behind select", web + "    select: [{chain: default}]\n    chain: default\n", "6:12", "never taken"},

		{"publish without listen", web + "    publish: [{to: 80}]\n", "5:16", "listen"},
		{"publish without address", web + "    publish: [{listen: 80}]\n", "5:24", "of which address"},
		{"publish for nobody", web + "    publish: [{listen: \"127.0.0.1:80\", to: \"192.0.2.1:80\"}]\n", "5:44", "not inside"},
		{"publish ranges", web + "    publish: [{listen: \"127.0.0.1:80-89\", to: 80-88}]\n", "5:47", "10 ports cannot lead to 9"},
		{"publish too many", web + "    publish: [{listen: \"127.0.0.1:1-4097\"}]\n", "5:24", "at most 4096"},
		{"publish sctp", web + "    publish: [{listen: \"127.0.0.1:80\", proto: sctp}]\n", "5:47", "tcp, udp"},
		{"publish v1 udp", web + "    publish: [{listen: \"127.0.0.1:80\", proto: udp, proxy_protocol: v1}]\n", "5:68", "v2 does"},
		{"publish a name", web + "    publish: [{listen: \"localhost:80\"}]\n", "5:24", "127.0.0.1:80"},
		{"publish twice", web + "    publish: [{listen: \"127.0.0.1:80-90\"}, {listen: \"0.0.0.0:85\"}]\n", "5:53", "published by web already"},
	} {
		_, err := config.Parse("netnsd.yaml", []byte(f.src))
		errs, ok := errors.AsType[config.Errors](err)
		if !ok || len(errs) != 1 {
			t.Errorf("%s: %v, want one error", f.name, err)
			continue
		}
		at := strings.TrimPrefix(errs[0].Pos(), "netnsd.yaml:")
		if at != f.at || !strings.Contains(errs[0].Reason, f.says) {
			t.Errorf("%s: at %s: %v, want %q at %s", f.name, at, err, f.says, f.at)
		}
		if strings.Contains(f.at, ":") && !strings.HasSuffix(err.Error(), "^") {
			t.Errorf("%s: no place is shown: %v", f.name, err)
		}
	}
}

// All that is wrong is said at once, in the order of the file.
func TestErrorsAtOnce(t *testing.T) {
	_, err := config.Parse("n.yaml", []byte("version: 1\nattachments:\n  - {name: a, netns: {nam: a}}\n  - {name: b, netns: {name: b}, interface: {mtu: x}}\ndaemon: {sock: a}\n"))
	errs, _ := errors.AsType[config.Errors](err)
	if len(errs) != 3 || errs[0].Pos() != "n.yaml:3:23" || errs[1].Pos() != "n.yaml:4:50" || errs[2].Pos() != "n.yaml:5:10" {
		t.Errorf("%v", err)
	}
	if errs[0].Path != "attachments[0].netns.nam" {
		t.Errorf("the path is %s", errs[0].Path)
	}
}

// A file that is wrong everywhere does not fill the screen.
func TestErrorsShown(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	_, err := config.Parse("n.yaml", []byte(b.String()))
	if text := err.Error(); !strings.HasSuffix(text, "and 80 more") || strings.Count(text, "\n") > 80 {
		t.Errorf("%s", text)
	}
}

// Nor does it take long to find out, or much memory: what is repeated by reference is
// refused before it is looked at, and of many errors the first are kept.
func TestErrorsAreBounded(t *testing.T) {
	bomb := "version: 1\ncatalog:\n  layers:\n    - name: a\n      type: policy\n      policy:\n        a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 40; i++ {
		bomb += fmt.Sprintf("        a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	for what, src := range map[string]string{"references": bomb, "errors": "version: 1\nattachments:\n" + strings.Repeat("  - x\n", 40000)} {
		_, err := config.Parse("n.yaml", []byte(src))
		errs, ok := errors.AsType[config.Errors](err)
		if !ok || len(errs) > 1000 || errs[0].Line < 3 {
			t.Errorf("%s: %d errors, %.200v", what, len(errs), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte("version: 1\ncatalog: {layers: [{name: a, type: policy, policy: {version: 1, rules: [{allow: \"*\"}]}}]}\n"))
	f.Add([]byte("version: 1\nattachments: [{name: a, netns: {fd: 3}, network: {ipv4: none}, publish: [{listen: \"[::]:1-9\", to: 2-10}]}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := config.Parse("n.yaml", src)
		if err != nil {
			if errs, ok := errors.AsType[config.Errors](err); !ok || len(errs) == 0 {
				t.Fatalf("%v is a %T", err, err)
			}
			return
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Parse("/n.yaml", text); err != nil {
			t.Fatalf("%v\nfrom %s\nshown as\n%s", err, src, text)
		}
	})
}

package config_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

// Every key is there once and says what it is for.
func TestKeys(t *testing.T) {
	all, err := config.Keys()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, k := range all {
		if k.Text == "" || seen[k.Path] {
			t.Errorf("%+v", k)
		}
		seen[k.Path] = true
	}
	for _, path := range []string{"version", "daemon.log.level", "catalog.layers[].policy", "catalog.select[].ports", "defaults.limits.tcp_flows", "defaults.dns.zones",
		"attachments[].netns.fd", "attachments[].select[].to", "attachments[].publish[].proxy_protocol"} {
		if !seen[path] {
			t.Errorf("%s is missing", path)
		}
	}
	// What show writes is what is explained.
	shown, err := parse(t, least).YAML()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(shown)) {
		key, _, ok := strings.Cut(strings.Trim(line, " -\n"), ":")
		if ok && !strings.ContainsAny(key, `"{`) && !strings.Contains(line, "- 0.0.0.0/0") && !strings.Contains(line, "::/0") && !explained(all, key) {
			t.Errorf("%s is shown, and not explained", key)
		}
	}
}

// The defaults that are written down are those that there are.
func TestWrittenDefaults(t *testing.T) {
	all, err := config.Keys()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(parse(t, least))
	if err != nil {
		t.Fatal(err)
	}
	var shown map[string]any
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, k := range all {
		m := regexp.MustCompile(`Default (\S+?)[.;:]?( |$)`).FindStringSubmatch(k.Text)
		if m == nil || strings.Contains(k.Path, "[]") {
			continue
		}
		var v any = shown
		for key := range strings.SplitSeq(k.Path, ".") {
			v = v.(map[string]any)[key]
		}
		want, got := m[1], fmt.Sprint(v)
		if d, err := time.ParseDuration(want); err == nil {
			want = d.String()
		}
		if compared++; got != want && !strings.HasPrefix(got, "["+want) { // of routes the first
			t.Errorf("%s: %q, and it is %s", k.Path, k.Text, got)
		}
	}
	if compared < 25 {
		t.Errorf("%d have been compared", compared)
	}
}

func explained(all []config.Key, key string) bool {
	for _, k := range all {
		if strings.TrimSuffix(k.Path[strings.LastIndex(k.Path, ".")+1:], "[]") == key {
			return true
		}
	}
	return key == "default" // of the policy in the default catalog
}

package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

// JSON is read as strictly as a file: what encoding/json lets pass is an error with its
// place, too.
func TestReadJSON(t *testing.T) {
	for _, c := range []struct {
		src, says    string // "" is right
		line, column int
	}{
		{`{"name":"a","netns":{"name":"a"},"dns":{"hosts":["a=::1","b=::1"]},"publish":[{"listen":"[::]:1"},{"listen":"[::]:2"}]}`, "", 0, 0},
		{`{"name":"a","name":"b"}`, `"name" is there already`, 1, 19},
		{"{\"name\":\"a\",\n\"netns\":{\"pid\":1,\"pid\":2}}", `"pid" is there already`, 2, 23},
		{`{"publish":[{"listen":"80","listen":"81"}]}`, `"listen" is there already`, 1, 36},
		{`{"Name":"a"}`, `unknown key "Name"`, 1, 8},
		{`{"netn\u017f":{"pid":1}}`, `unknown key "netnſ"`, 1, 14}, // which folds to netns
		{`{"nam":"a"}`, `unknown key "nam"`, 1, 2},
		{`{"name":"a"} {}`, "nothing behind it", 1, 13},
		{`{"name":"a"`, "too early", 1, 12},
		{`{"name":"a",}`, "invalid character", 1, 14},
		{`{"name":["a","b"]}`, "array", 1, 10},
		{strings.Repeat("[", 20000), "", 1, 1},
		{`name: a`, "invalid character", 1, 3},
		{"", "too early", 1, 1},
	} {
		var a config.Attachment
		err := config.ReadJSON([]byte(c.src), &a)
		if c.line == 0 {
			if err != nil || a.Name != "a" || len(a.Publish) != 2 {
				t.Errorf("%s: %v, %+v", c.src, err, a)
			}
			continue
		}
		j, ok := errors.AsType[*config.JSONError](err)
		if !ok || !strings.Contains(j.Reason, c.says) || len(c.src) < 1000 && (j.Line != c.line || j.Column != c.column) {
			t.Errorf("%.80s: %v, want %q at %d:%d", c.src, err, c.says, c.line, c.column)
		}
	}
}

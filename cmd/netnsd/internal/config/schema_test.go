package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

var update = flag.Bool("update", false, "write schema.json")

// schema makes the schema of the types and their comments.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{RequiredFromJSONSchemaTags: true, Anonymous: true, Mapper: written}
	if err := r.AddGoComments("github.com/netnsd/netnsd/cmd/netnsd/internal/config", "./"); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(new(config.Config))
	s.Title = "netnsd.yaml"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// written is how types are written that have a text of their own.
func written(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[config.Duration](): // 0 needs no unit
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Enum: []any{0}}}}
	case reflect.TypeFor[config.Net](), reflect.TypeFor[config.Prefix]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[config.Ports](), reflect.TypeFor[config.Endpoints](): // 443 is a number to YAML
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "object"}
	}
	return nil
}

func TestSchema(t *testing.T) {
	want := schema(t)
	if *update {
		if err := os.WriteFile("schema.json", want, 0o666); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(config.Schema, want) {
		t.Error("schema.json is not what the types say: go generate ./cmd/netnsd/internal/config")
	}
}

// What the schema takes is what an editor takes: the example, and none of its
// misspellings.
func TestSchemaOfFiles(t *testing.T) {
	document, err := validator.UnmarshalJSON(bytes.NewReader(config.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("netnsd.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("netnsd.json")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("testdata/netnsd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name string
		src  string
		ok   bool
	}{
		{"example", string(example), true},
		{"least", "version: 1\nattachments: [{name: web, netns: {name: web}}]\n", true},
		{"a group's number", "version: 1\ndaemon: {socket_group: 1000}\n", true},
		{"no time", "version: 1\ndaemon: {drain: 0}\n", true},
		{"time without a unit", "version: 1\ndaemon: {drain: 30}\n", false},
		{"ports", "version: 1\nattachments: [{name: a, netns: {pid: 1}, publish: [{listen: \"[::]:80\", to: 8080}]}]\n", true},
		{"unknown key", "version: 1\nattachment: []\n", false},
		{"no version", "attachments: []\n", false},
		{"version 2", "version: 2\n", false},
		{"no name", "version: 1\nattachments: [{netns: {name: web}}]\n", false},
		{"wrong word", "version: 1\ndaemon: {log: {level: loud}}\n", false},
		{"wrong type", "version: 1\ndefaults: {interface: {mtu: big}}\n", false},
		{"inner unknown key", "version: 1\ndefaults: {interface: {mtuu: 1500}}\n", false},
	} {
		text, err := yaml.YAMLToJSON([]byte(f.src))
		if err != nil {
			t.Fatal(err)
		}
		value, err := validator.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(value); (err == nil) != f.ok {
			t.Errorf("%s: %v", f.name, err)
		}
		if _, err := config.Parse("testdata/n.yaml", []byte(f.src)); (err == nil) != f.ok {
			t.Errorf("%s: schema and reader are of two minds: %v", f.name, err)
		}
	}
}

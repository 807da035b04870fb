package config

import (
	"encoding/json"
	"reflect"
	"strings"
)

// A Key is one that can stand in the file.
type Key struct {
	Path string // as attachments[].netns.name
	Text string // what it is for, its words and its default
}

// Keys are all of the file, as the types have them and the schema explains them. Those
// that attachments have in common stand under defaults alone.
func Keys() ([]Key, error) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &s); err != nil {
		return nil, err
	}
	var all []Key
	var walk func(path string, t reflect.Type, common bool)
	walk = func(path string, t reflect.Type, common bool) {
		for f := range t.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && common {
				walk(path, f.Type, true)
			}
			if f.Anonymous || key == "-" {
				continue
			}
			at, inner := below(path, key), f.Type
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			_, described := s.Defs[inner.Name()] // else it is written as a text
			if described && inner != f.Type {
				at += "[]"
			}
			all = append(all, Key{at, s.Defs[t.Name()].Properties[key].Description})
			if described {
				walk(at, inner, false)
			}
		}
	}
	walk("", reflect.TypeFor[Config](), true)
	return all, nil
}

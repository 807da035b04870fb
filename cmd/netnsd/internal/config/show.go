package config

import (
	_ "embed" // schema.json
	"encoding/json"

	"github.com/goccy/go-yaml"
)

//go:generate go test -run TestSchema$ -update .

// Schema is the JSON schema of the file, for editors.
//
//go:embed schema.json
var Schema []byte

// YAML is the configuration as a file that says the same.
func (c *Config) YAML() ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}

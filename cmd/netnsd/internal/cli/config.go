//go:build linux

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/provider/layer/policy"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the daemon's configuration",
		Long: `Check and show the daemon's configuration, netnsd.yaml. The smallest one names a
namespace, and has defaults for the rest:

  version: 1
  attachments: [{name: web, netns: {name: web}}]`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(), newConfigShow(), newConfigSchema())
	return cmd
}

func newConfigCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say whether a configuration can be read, and where not",
		Long: `Say whether a configuration, and the policies that it names, can be read, and
everything that is wrong in it with line and column, with -o json as a list of errors.
Whether the namespaces exist is not looked at. Exit status 1 if something is wrong.`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load(args[0])
		if *output == asJSON {
			return writeChecked(cmd, err, checked{File: args[0]})
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: attachments: %d, chains: %d\n", args[0], len(c.Attachments), len(c.Catalog.Chains))
		return err
	}
	return cmd
}

// checked is what a file was found to be, as JSON.
type checked struct {
	File   string          `json:"file"`
	OK     bool            `json:"ok"`
	Errors []control.Fault `json:"errors"`
}

// writeChecked says of c what err is about.
func writeChecked(cmd *cobra.Command, err error, c checked) error {
	c.OK, c.Errors = err == nil, []control.Fault{}
	all, several := errors.AsType[config.Errors](err)
	one, placed := errors.AsType[*policy.FileError](err)
	switch {
	case several:
		c.Errors = control.Faults(all)
	case placed:
		c.Errors = control.Faults(config.Errors{{FileError: *one}})
	case err != nil:
		c.Errors = []control.Fault{{Reason: err.Error()}}
	}
	if e := writeJSON(cmd.OutOrStdout(), c); e != nil || err == nil {
		return e
	}
	return &exit{Status: exitFailed}
}

func newConfigShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a configuration with all defaults filled in",
		Long: `Show what a configuration means: all defaults filled in, names of files as absolute
paths. What is written is a configuration again. Exit status 1 if something is wrong
in the file.`,
		Args: cobra.ExactArgs(1),
	}
	output := formatFlag(cmd, asYAML, asJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := load(args[0])
		if err != nil {
			return err
		}
		if *output == asJSON {
			return writeJSON(cmd.OutOrStdout(), c)
		}
		text, err := c.YAML()
		if err == nil {
			_, err = cmd.OutOrStdout().Write(text)
		}
		return err
	}
	return cmd
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON schema of a configuration",
		Long: `Write the JSON schema of a configuration, with which an editor completes and checks
while one types. With yaml-language-server, for example, a file begins with

  # yaml-language-server: $schema=/usr/local/share/netnsd/schema.json`,
		Example: "  netnsd config schema >/usr/local/share/netnsd/schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema)
			return err
		},
	}
}

func load(file string) (*config.Config, error) {
	c, err := config.Load(file)
	if _, wrong := errors.AsType[config.Errors](err); err != nil && !wrong {
		err = fmt.Errorf("config: %w", err)
	}
	if err != nil {
		return nil, &exit{exitFailed, err}
	}
	return c, nil
}

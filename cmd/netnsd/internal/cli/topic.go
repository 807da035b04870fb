//go:build linux

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// topics are what `netnsd help` says that no command is: for each a page of the manual,
// too. Their texts are made when somebody reads them, not at the start of each run.
var topics = []struct {
	name, short string
	text        func() string
}{
	{"trouble", "When something does not work, by what you see", aboutTrouble},
	{"files", "Files, environment and exit statuses", aboutFiles},
	{"keys", "Every key of netnsd.yaml", aboutKeys},
	{"api", "The control socket of the daemon, for programs", func() string { return control.API }},
}

// newTopics are commands that do nothing, by which cobra knows topics.
func newTopics() (all []*cobra.Command) {
	for _, t := range topics {
		c := &cobra.Command{Use: t.name, Short: t.short, DisableFlagsInUseLine: true}
		c.SetHelpFunc(func(c *cobra.Command, args []string) {
			c.Long = t.text()
			c.Root().HelpFunc()(c, args)
		})
		all = append(all, c)
	}
	return all
}

// strictHelp has help refuse what it does not know, and complete topics, too; cobra's
// shows something else, and leaves them out.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help.ValidArgsFunction == nil {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return fmt.Errorf("help %s: there is no such command or topic", strings.Join(args, " "))
		}
		return nil
	}
	commands := help.ValidArgsFunction
	help.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		all, directive := commands(cmd, args, typed)
		for _, c := range root.Commands() {
			if len(args) == 0 && c.IsAdditionalHelpTopicCommand() && strings.HasPrefix(c.Name(), typed) {
				all = append(all, c.Name()+"\t"+c.Short)
			}
		}
		return all, directive
	}
}

// strictCompletion has completion refuse shells that it does not know. It writes to what
// is root's output by now.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

func aboutTrouble() string {
	return "What you see, what it is, and what to do.\n\n" + troubles.list()
}

func aboutFiles() string {
	return "FILES\n\n" + files.list() + "\nENVIRONMENT\n\n" + variables.list() + "\nEXIT STATUS\n\n" + statuses.columns()
}

func aboutKeys() string {
	return `Every key that can stand in netnsd.yaml. What attachments have in common stands under
defaults, and may stand in each attachment, too. [] is an item of a list. netnsd config
show FILE has all with what they are in a file; netnsd config schema is for editors.

` + keyRows().list()
}

func keyRows() (r rows) {
	all, err := config.Keys()
	if err != nil {
		panic(err) // of what is compiled in; a test has been here
	}
	for _, k := range all {
		r = append(r, [2]string{k.Path, k.Text})
	}
	return r
}

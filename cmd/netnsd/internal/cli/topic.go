//go:build linux

package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// newTopics are what `netnsd help` says that no command is: for each a page of the
// manual, too.
func newTopics() []*cobra.Command {
	return []*cobra.Command{
		topic("trouble", "When something does not work, by what you see", "What you see, what it is, and what to do.\n\n"+troubles.list()),
		topic("files", "Files, environment and exit statuses", aboutFiles()),
		topic("keys", "Every key of netnsd.yaml", aboutKeys()),
		topic("api", "The control socket of the daemon, for programs", control.API),
	}
}

// topic is a command that does nothing, which is how cobra knows one.
func topic(name, short, long string) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Long: long, DisableFlagsInUseLine: true}
}

// completeHelp has help complete topics, too, which cobra leaves out.
func completeHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help.ValidArgsFunction == nil {
		return
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

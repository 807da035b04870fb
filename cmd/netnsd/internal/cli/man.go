//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan writes what --help says as pages for man(1). They are made, not kept: the
// flags are written down once.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write a manual page of each command and of each other topic of help into the folder
DIR, which has to exist, as netnsd.1, netnsd-run.1, netnsd-api.1 and so on.`,
		Example: `  netnsd man /usr/local/share/man/man1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(errors.New("man: one folder is needed: netnsd man DIR"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if st, err := os.Stat(args[0]); err != nil {
				return &exit{exitFailed, fmt.Errorf("man: %w", err)}
			} else if !st.IsDir() {
				return &exit{exitFailed, fmt.Errorf("man: %s is not a folder", args[0])}
			}
			if err := writeMan(cmd.Root(), args[0]); err != nil {
				return &exit{exitFailed, fmt.Errorf("man: %w", err)}
			}
			return nil
		},
	}
}

func writeMan(root *cobra.Command, dir string) error {
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	epoch := time.Unix(0, 0) // the same pages from the same program
	header := doc.GenManHeader{Section: "1", Source: "netnsd", Manual: "netnsd", Date: &epoch}
	root.Long += "\n\nOther pages: " + strings.Join(topicPages(), ", ") + "."
	eachCommand(root, func(c *cobra.Command) { c.Long = paragraphs(c.Long) })
	tree := header
	if err := doc.GenManTree(root, &tree, dir); err != nil {
		return err
	}
	for _, t := range topics { // which the tree leaves out
		c, _, err := root.Find([]string{t.name})
		if err != nil {
			return err
		}
		c.Long = paragraphs(t.text())
		var page bytes.Buffer
		own := header
		if err := doc.GenMan(c, &own, &page); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "netnsd-"+t.name+".1"), page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func topicPages() (pages []string) {
	for _, t := range topics {
		pages = append(pages, "netnsd-"+t.name+"(1)")
	}
	return pages
}

func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}

var (
	special = regexp.MustCompile("[*_<>\\[\\]\\\\]")
	heading = regexp.MustCompile("^[A-Z][A-Z ]+$")
)

// paragraphs is what --help says in the Markdown that pages are made of: what is indented
// stays in lines, and what is a sign to Markdown is one to the reader.
func paragraphs(text string) string {
	var b strings.Builder
	was := ""
	for line := range strings.SplitSeq(text, "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented != strings.HasPrefix(was, "  ") && line != "" && was != "" {
			b.WriteString("\n")
		}
		switch {
		case indented:
			line = "  " + line
		case heading.MatchString(line):
			line = "# " + line
		default:
			line = special.ReplaceAllString(line, `\$0`)
		}
		b.WriteString(line + "\n")
		was = line
	}
	return b.String()
}

//go:build linux

package run

import (
	"fmt"
	"path/filepath"

	"github.com/netnsd/netnsd/bench/report"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider/layer/learn"
)

// lesson is the policy that a run leaves behind (--learn). A nil one is none.
type lesson struct {
	layer   *learn.Layer
	file    *report.File
	name    string // of the file, as given
	program string
}

// learn puts the layer into cfg's chain and makes sure that the file can be
// written, before anything runs.
func (cfg *Config) learn() (*lesson, error) {
	if cfg.Learn == "" {
		return nil, nil
	}
	f, err := report.Create(cfg.Learn)
	if err != nil {
		return nil, fmt.Errorf("--learn: %w", err)
	}
	cfg.Chain.Learn = learn.New()
	return &lesson{cfg.Chain.Learn, f, cfg.Learn, filepath.Base(cfg.Argv[0])}, nil
}

// end replaces the file by what was learnt, if the program ran; else, and on an
// error, the file stays what it was.
func (l *lesson) end(ran bool) error {
	if l == nil {
		return nil
	}
	if !ran {
		return l.file.Abort()
	}
	c, err := l.layer.Policy()
	if err == nil {
		_, err = fmt.Fprintf(l.file, "# What %q was seen to need, by netnsd run --learn.\n%s", l.program, c.Text())
	}
	if err != nil {
		_ = l.file.Abort()
		return fmt.Errorf("%s is not written: %w", l.name, err)
	}
	return l.file.Commit()
}

// needs is what this process does while the program runs that takes a right.
func (cfg *Config) needs() (n confine.Config) {
	n.Bind = len(cfg.Publish) > 0
	if cfg.Learn != "" {
		if dir := confine.Folder(cfg.Learn); dir != "" {
			n.Replace = []string{dir}
		}
	}
	return n
}

//go:build linux

package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/netnsd/netnsd/bench/report"
)

// outputs are the files that are being replaced.
type outputs struct {
	files []output
	svg   string
}

type output struct {
	*report.File
	name  string
	write func(*report.Results, io.Writer) error
	data  bool // the report itself, of which all else can be made again
}

// open begins to replace all files that the user wants.
func (c *Config) open() (_ *outputs, err error) {
	o := &outputs{svg: c.SVG}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.abort())
		}
	}()
	for _, x := range []output{
		{name: c.JSON, write: func(r *report.Results, w io.Writer) error { return r.Report.Write(w) }, data: true},
		{name: c.HTML, write: (*report.Results).WriteHTML},
		{name: c.Markdown, write: (*report.Results).WriteMarkdown},
	} {
		if x.name == "" {
			continue
		}
		if x.File, err = report.Create(x.name); err != nil {
			return nil, err
		}
		o.files = append(o.files, x)
	}
	if o.svg != "" {
		err = os.MkdirAll(o.svg, 0o777)
	}
	return o, err
}

func (o *outputs) abort() error {
	var err error
	for _, x := range o.files {
		err = errors.Join(err, x.Abort())
	}
	return err
}

// commit writes r into every file. That one fails keeps none of the others from
// being written.
func (o *outputs) commit(r *report.Results) error {
	var all error
	for _, x := range o.files {
		all = errors.Join(all, x.end(r, x.Commit))
	}
	if o.svg != "" {
		all = errors.Join(all, pictures(o.svg, r))
	}
	return all
}

// partial keeps the data of a run that was broken off, beside the file.
func (o *outputs) partial(r *report.Results, words io.Writer) error {
	const suffix = ".partial"
	var all error
	for _, x := range o.files {
		if !x.data {
			all = errors.Join(all, x.Abort())
			continue
		}
		err := x.end(r, func() error { return x.CommitBeside(suffix) })
		if all = errors.Join(all, err); err == nil {
			fmt.Fprintf(words, "What there is stands in %s%s.\n", x.name, suffix)
		}
	}
	return all
}

func (x output) end(r *report.Results, commit func() error) error {
	err := x.write(r, x)
	if err != nil {
		err = errors.Join(err, x.Abort())
	} else {
		err = commit()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", x.name, err)
	}
	return nil
}

// pictures writes a file for each table.
func pictures(dir string, r *report.Results) error {
	var all error
	for _, t := range r.Tables {
		// A stored result may come from anywhere, and its names with it.
		if strings.ContainsAny(t.Name, "/\x00") || strings.HasPrefix(t.Name, ".") {
			all = errors.Join(all, fmt.Errorf("table %q: not a name for a file in %s", t.Name, dir))
			continue
		}
		name := filepath.Join(dir, t.Name+".svg")
		all = errors.Join(all, report.WriteFile(name, func(w io.Writer) error { return r.WriteSVG(w, t.Name) }))
	}
	return all
}

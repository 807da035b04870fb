package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// limit bounds what Read takes: 45 minutes of samples are some hundred KiB.
const limit = 64 << 20

// Write writes r as JSON. It refuses what Read would refuse.
func (r *Report) Write(w io.Writer) error {
	if err := r.Check(); err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Read reads what Write has written. What it returns has passed Check.
func Read(r io.Reader) (*Report, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	if len(b) > limit {
		return nil, fmt.Errorf("report: more than %s: not a report", bytes(limit))
	}
	// The format alone first: a later one may have another shape.
	var head struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("report: not a report: %w", at(b, err))
	}
	switch {
	case head.Format == nil:
		return nil, errors.New(`report: not a report: it has no "format"`)
	case *head.Format != Format:
		return nil, fmt.Errorf("report: format %d: this netnsd reads format %d: take the netnsd that wrote it, or measure again", *head.Format, Format)
	}
	rep := new(Report)
	if err := json.Unmarshal(b, rep); err != nil {
		return nil, fmt.Errorf("report: %w", at(b, err))
	}
	return rep, rep.Check()
}

// at adds the line to an error of package json.
func at(b []byte, err error) error {
	var offset int64
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	} else if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = kind.Offset
	} else {
		return err
	}
	line := 1
	for _, c := range b[:min(int(offset), len(b))] {
		if c == '\n' {
			line++
		}
	}
	return fmt.Errorf("line %d: %w", line, err)
}

// ReadFile reads the report in the file.
func ReadFile(name string) (*Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

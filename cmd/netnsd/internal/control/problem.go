//go:build linux

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
)

// Problem is how a request ends that was not done (RFC 9457). The client returns it
// as an error, for which errors.Is finds what the daemon has said.
type Problem struct {
	Title  string  `json:"title"` // the status in words
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Errors []Fault `json:"errors,omitempty"`
}

// Fault is one thing that is wrong, in the file of the daemon or in a request.
type Fault struct {
	Path    string `json:"path,omitempty"` // the key, as publish[0].listen
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1
	Column  int    `json:"column,omitempty"`
	Reason  string `json:"reason"`
	Excerpt string `json:"excerpt,omitempty"`
}

func (p *Problem) Error() string { return p.Detail }

func (p *Problem) Is(target error) bool {
	return target == sentinels[p.Status] && target != nil
}

var sentinels = map[int]error{
	http.StatusForbidden:           ErrForbidden,
	http.StatusNotFound:            ErrNotFound,
	http.StatusConflict:            ErrExists,
	http.StatusUnprocessableEntity: ErrInvalid,
	http.StatusServiceUnavailable:  ErrEnding,
}

// problem makes one of what a handler returns.
func problem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, ErrExists):
		status = http.StatusConflict
	case errors.Is(err, ErrInvalid):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, ErrEnding), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	}
	p := newProblem(status, "%v", err)
	if j, ok := errors.AsType[*config.JSONError](err); ok {
		p = newProblem(http.StatusBadRequest, "%v", err)
		p.Errors = []Fault{{Line: j.Line, Column: j.Column, Reason: j.Reason}}
	}
	if all, ok := errors.AsType[config.Errors](err); ok {
		p = newProblem(http.StatusUnprocessableEntity, "%v", err)
		p.Errors = Faults(all)
	}
	return p
}

// Faults are the same in the form that is shown to programs.
func Faults(all config.Errors) (f []Fault) {
	for _, e := range all {
		f = append(f, Fault{e.Path, e.File, e.Line, e.Column, e.Reason, e.Excerpt})
	}
	return f
}

func newProblem(status int, format string, args ...any) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // who does not read it anymore has gone
}

package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider/layer/policy"
)

// A JSONError says where JSON is not what was asked for.
type JSONError struct {
	Line, Column int // from 1
	Reason       string
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// ReadJSON decodes src, one JSON value, into v, as strictly as a file is read:
// unknown keys are errors, and so are keys that come twice or are spelled in capitals,
// which encoding/json takes. The error is a [*JSONError].
func ReadJSON(src []byte, v any) error {
	if err := keysOnce(src); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	offset := d.InputOffset()
	switch e, isType := errors.AsType[*json.UnmarshalTypeError](err); {
	case err == nil:
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		return jsonError(src, offset, "one JSON value is needed, and nothing behind it")
	case isType:
		return jsonError(src, e.Offset, fmt.Sprintf("%s: a JSON %s cannot stand here", e.Field, e.Value))
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return jsonError(src, s.Offset, s.Error())
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok { // encoding/json has no type for it
		return jsonError(src, int64(max(0, bytes.Index(src, []byte(key)))), "unknown key "+key)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return jsonError(src, int64(len(src)), "the JSON ends too early")
	}
	return jsonError(src, offset, err.Error())
}

// keysOnce finds keys that stand twice in an object, and those that are none of ours
// though encoding/json would take them for one. What is no JSON is for the decoder.
func keysOnce(src []byte) error {
	d := json.NewDecoder(bytes.NewReader(src))
	type object struct {
		keys map[string]bool // nil: a list
		key  bool            // the next token is a key
	}
	open := []object{{}}
	for {
		t, err := d.Token()
		if err != nil {
			return nil
		}
		in := &open[len(open)-1]
		switch name, text := t.(string); {
		case t == json.Delim('}'), t == json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case text && in.key && (in.keys[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != ""):
			what := map[bool]string{true: "the key %q is there already", false: "unknown key %q"}[in.keys[name]]
			return jsonError(src, d.InputOffset(), fmt.Sprintf(what, name))
		case text && in.key:
			in.keys[name], in.key = true, false
			continue
		}
		in.key = in.keys != nil
		switch t {
		case json.Delim('{'):
			open = append(open, object{make(map[string]bool), true})
		case json.Delim('['):
			open = append(open, object{})
		}
	}
}

func jsonError(src []byte, offset int64, reason string) *JSONError {
	before := src[:min(int(offset), len(src))]
	line := bytes.Count(before, []byte("\n"))
	return &JSONError{line + 1, len(before) - bytes.LastIndexByte(before, '\n'), reason}
}

// ReadAttachment reads an attachment that comes as JSON, with d for what it does not
// say. Whether its chains exist is for [Config.Admit]. Errors are a [*JSONError] or
// [Errors] with paths.
func ReadAttachment(src []byte, d Settings) (Attachment, error) {
	d.Network.Routes, d.DNS.Upstreams = slices.Clone(d.Network.Routes), slices.Clone(d.DNS.Upstreams) // JSON decodes into them
	d.DNS.Zones, d.DNS.Hosts = slices.Clone(d.DNS.Zones), slices.Clone(d.DNS.Hosts)
	a := Attachment{Settings: d}
	if err := ReadJSON(src, &a); err != nil {
		return a, err
	}
	a.complete("")
	var errs Errors
	c := checker{new(Config), collect(&errs)}
	c.name("name", "attachment", a.Name, make(map[string]bool))
	c.alone("", a)
	return a, asError(errs)
}

// Admit says whether a can be attached beside what c has: its name is free, its
// chains exist, its ports are not published by another.
func (c *Config) Admit(a Attachment) error {
	var errs Errors
	more := *c
	more.Attachments = append(c.Attachments[:len(c.Attachments):len(c.Attachments)], a)
	(&checker{&more, collect(&errs)}).all()
	for _, e := range errs {
		e.Path = strings.TrimPrefix(e.Path, item("attachments", len(c.Attachments))+".")
	}
	return asError(errs)
}

// Check says whether attachments that c was given besides those of its file can be in
// it together.
func (c *Config) Check() error {
	var errs Errors
	(&checker{c, collect(&errs)}).all()
	return asError(errs)
}

func collect(errs *Errors) func(path, format string, args ...any) {
	return func(path, format string, args ...any) {
		*errs = append(*errs, &Error{path, policy.FileError{Reason: fmt.Sprintf(format, args...)}})
	}
}

func asError(e Errors) error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// ReadPublish reads a publication that comes as JSON. What depends on its attachment
// is for [Publish.Complete] and [Publish.Check].
func ReadPublish(src []byte) (Publish, error) {
	var p Publish
	if err := ReadJSON(src, &p); err != nil {
		return p, err
	}
	p.fill()
	var errs Errors
	(&checker{wrong: collect(&errs)}).publish("", p)
	return p, asError(errs)
}

// Check says whether a complete p can be in an attachment with the network n.
func (p Publish) Check(n Network) error {
	var errs Errors
	c := checker{wrong: collect(&errs)}
	c.publish("", p)
	c.inside("to", n, p)
	return asError(errs)
}

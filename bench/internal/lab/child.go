//go:build linux

package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv makes a process of our own program a part of the lab: its value is
// the part, childSpec what it needs to know, as JSON.
const (
	childEnv  = "NETNSD_BENCH_CHILD"
	childSpec = "NETNSD_BENCH_SPEC"
)

// A Child is a process of our own program that answers calls.
type Child struct {
	*Process
	conn   net.Conn
	in     *bufio.Reader
	hangUp func() error
}

// A request and its answer, a line each.
type request struct {
	Op  string          `json:"op"`
	Arg json.RawMessage `json:"arg,omitempty"`
}

type answer struct {
	Err   string          `json:"err,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// StartChild runs this very program as part, in n, and returns when it says that
// it is ready.
func (l *Lab) StartChild(ctx context.Context, n *Netns, part string, spec any) (*Child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("bench: socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+part, childSpec+"="+string(b))
	cmd.ExtraFiles = []*os.File{theirs}
	p, err := l.Start(n, cmd)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &Child{Process: p, conn: conn, in: bufio.NewReader(conn), hangUp: l.keep(conn.Close)}
	if err := c.Call(ctx, "ready", nil, nil); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Call asks the child, one call at a time. in may be nil, and out, into which
// the answer goes. When ctx ends the child is of no more use.
func (c *Child) Call(ctx context.Context, op string, in, out any) error {
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := request{Op: op}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		r.Arg = b
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var line []byte
	if _, err = c.conn.Write(append(b, '\n')); err == nil {
		line, err = c.in.ReadBytes('\n')
	}
	if err != nil {
		return fmt.Errorf("bench: %s: %w", op, c.why(ctx, err))
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("bench: what a child answered to %s: %w", op, err)
	}
	if a.Err != "" {
		return errors.New(a.Err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(a.Value, out)
}

// why is the better reason for a call that failed.
func (c *Child) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-c.Gone():
		if e := c.Err(); e != nil {
			return e
		}
	case <-time.After(time.Second): // it has closed its end, so it is about to go
	}
	return err
}

// Stop lets the child end by itself first: it sees the end of its control.
func (c *Child) Stop() error {
	err := c.hangUp()
	select {
	case <-c.Gone():
	case <-time.After(3 * time.Second):
	}
	return errors.Join(err, c.Process.Stop())
}

//go:build linux

package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Part is what this process was started as; "" if by somebody else.
func Part() string { return os.Getenv(childEnv) }

// Spec decodes what the child was told.
func Spec(into any) error { return json.Unmarshal([]byte(os.Getenv(childSpec)), into) }

// Serve answers the parent's calls until it has enough of them. setup comes
// first; its error answers the call that asks whether the child is ready.
func Serve(setup func() (serve func(op string, arg json.RawMessage) (any, error), end func() error, err error)) {
	conn, err := net.FileConn(os.NewFile(3, "control"))
	if err != nil {
		die(err)
	}
	unix.CloseOnExec(3)
	// SIGTERM is the end of the control too.
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, unix.SIGTERM)
	go func() { <-terminated; conn.Close() }()

	serve, end, failed := setup()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var r request
		var v any
		if err = json.Unmarshal(line, &r); err == nil {
			if err = failed; err == nil && r.Op != "ready" {
				v, err = serve(r.Op, r.Arg)
			}
		}
		if err := reply(conn, v, err); err != nil || failed != nil {
			break
		}
	}
	if end != nil {
		if err := end(); err != nil {
			die(err)
		}
	}
	os.Exit(0)
}

func reply(conn net.Conn, v any, failed error) error {
	var a answer
	if failed != nil {
		a.Err = failed.Error()
	} else if v != nil {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		a.Value = b
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(b, '\n'))
	return err
}

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

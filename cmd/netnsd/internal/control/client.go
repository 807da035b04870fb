//go:build linux

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

// ErrNoDaemon is that nobody answers at the socket.
var ErrNoDaemon = errors.New("no daemon listens there")

// A Client asks the daemon behind a control socket. Each request is a connection.
// Errors are a [*Problem], [ErrNoDaemon], or of the connection; also that of a daemon that
// has hung, three minutes later.
type Client struct{ Path string }

func (c Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/v1/status", nil, nil, &s)
}

// Flows are those of all attachments, or of the one that is named.
func (c Client) Flows(ctx context.Context, attachment string) (f []Flow, err error) {
	path := "/v1/flows"
	if attachment != "" {
		path += "?attachment=" + url.QueryEscape(attachment)
	}
	return f, c.do(ctx, http.MethodGet, path, nil, nil, &f)
}

// Chains are those of the attachment, or of all ("").
func (c Client) Chains(ctx context.Context, attachment string) (f []Chain, err error) {
	path := "/v1/chains"
	if attachment != "" {
		path += "?attachment=" + url.QueryEscape(attachment)
	}
	return f, c.do(ctx, http.MethodGet, path, nil, nil, &f)
}

func (c Client) Kill(ctx context.Context, id uint64) error {
	return c.do(ctx, http.MethodDelete, "/v1/flows/"+strconv.FormatUint(id, 10), nil, nil, nil)
}

func (c Client) Explain(ctx context.Context, q Query) (a explain.Answer, err error) {
	return a, c.do(ctx, http.MethodPost, "/v1/explain", q, nil, &a)
}

func (c Client) Reload(ctx context.Context, q ReloadQuery) (r Reload, err error) {
	v := make(url.Values)
	if q.Old != "" {
		v.Set("old", q.Old)
	}
	if q.Drain != nil {
		v.Set("drain", q.Drain.String())
	}
	if q.KeepDenied != nil {
		v.Set("keep_denied", strconv.FormatBool(*q.KeepDenied))
	}
	path := "/v1/reload"
	if len(v) > 0 {
		path += "?" + v.Encode()
	}
	return r, c.do(ctx, http.MethodPost, path, nil, nil, &r)
}

// Attach sends a request for an attachment, any value whose JSON is one: what it does
// not say the daemon fills in. A netns that is named by fd is file.
func (c Client) Attach(ctx context.Context, request any, file *os.File) (a config.Attachment, err error) {
	return a, c.do(ctx, http.MethodPost, "/v1/attachments", request, file, &a)
}

func (c Client) Detach(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/v1/attachments/"+url.PathEscape(name), nil, nil, nil)
}

// Publish opens a port and returns its ID.
func (c Client) Publish(ctx context.Context, attachment string, p config.Publish) (id string, err error) {
	var done Published
	err = c.do(ctx, http.MethodPost, "/v1/attachments/"+url.PathEscape(attachment)+"/published", p, nil, &done)
	return done.ID, err
}

func (c Client) Unpublish(ctx context.Context, attachment, id string) error {
	return c.do(ctx, http.MethodDelete, publishedPath(attachment, id), nil, nil, nil)
}

// do sends body as JSON and decodes what comes back into answer.
func (c Client) do(ctx context.Context, method, path string, body any, file *os.File, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://netnsd"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: answerTime + idleTime, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.dial(ctx, file)
	}}
	resp, err := transport.RoundTrip(r)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		err = fmt.Errorf("%s: the daemon has hung up before it answered: it has ended, or has too many who ask: %w", c.Path, err)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return problemOf(resp)
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("the daemon's answer cannot be read: %w", err)
	}
	return nil
}

func (c Client) dial(ctx context.Context, file *os.File) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s: %w", c.Path, ErrNoDaemon)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: %w", c.Path, ErrForbidden)
	case err != nil:
		return nil, err
	case file != nil:
		return &sender{UnixConn: conn.(*net.UnixConn), file: file}, nil
	}
	return conn, nil
}

// sender sends a descriptor with the first bytes.
type sender struct {
	*net.UnixConn
	file *os.File // nil when it is sent
}

func (s *sender) Write(b []byte) (int, error) {
	if s.file == nil {
		return s.UnixConn.Write(b)
	}
	n, _, err := s.WriteMsgUnix(b, unix.UnixRights(int(s.file.Fd())), nil)
	if err != nil {
		return n, err
	}
	s.file = nil
	if n < len(b) {
		m, err := s.UnixConn.Write(b[n:])
		return n + m, err
	}
	return n, nil
}

// problemOf is what an answer says that is not a success.
func problemOf(r *http.Response) error {
	p := new(Problem)
	text, err := io.ReadAll(io.LimitReader(r.Body, MaxBody))
	if err != nil {
		return err
	}
	if json.Unmarshal(text, p) != nil || p.Status != r.StatusCode {
		return fmt.Errorf("the daemon answers %s: %.200q", r.Status, text)
	}
	return p
}

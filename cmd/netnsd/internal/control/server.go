//go:build linux

package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Bounds of what a peer can make us hold.
const (
	MaxBody    = 1 << 20 // bytes of a request's body
	maxHeader  = 16 << 10
	maxConns   = 64
	maxRefused = 16 // connections of peers that are not served
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	answerTime = 2 * time.Minute // a reload makes namespaces and devices
	idleTime   = time.Minute
	closeTime  = 5 * time.Second // for requests that run when the server closes
)

// Config says where the socket is, and who may use it besides root and our own user.
type Config struct {
	Path  string
	Group string // by name or number; "" = none
	Log   *slog.Logger
}

// A Server has the control socket.
type Server struct {
	log      *slog.Logger
	path     string
	file     os.FileInfo // the socket, to know it again
	listener *listener
	http     *http.Server
	patience time.Duration  // headerTime
	idle     time.Duration  // idleTime
	farewell time.Duration  // closeTime
	running  sync.WaitGroup // handlers
	mu       sync.Mutex
	closed   bool          // no handler begins any more
	served   chan struct{} // closed when Serve is over; nil if it has not begun
}

// Listen makes the socket. Who connects waits until [Server.Serve]. A socket on which
// nobody listens is replaced; one that is served is an error, EADDRINUSE.
func Listen(c Config) (*Server, error) {
	gid, err := groupID(c.Group)
	if err != nil {
		return nil, err
	}
	l, err := bind(c.Path, gid)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s := &Server{log: c.Log, path: c.Path, patience: headerTime, idle: idleTime, farewell: closeTime}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	cookie, err := cookieOf(l)
	if err == nil {
		s.file, err = os.Lstat(c.Path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(c.Path), l.Close())
	}
	s.listener = newListener(l, gate{gid, cookie})
	return s, nil
}

// Serve answers requests with d, from a goroutine that [Server.Close] awaits. It is
// called once.
func (s *Server) Serve(d Daemon) {
	s.http = &http.Server{
		Handler:           s.counted(newHandler(d, s.log)),
		ConnContext:       withConn,
		ReadHeaderTimeout: s.patience, ReadTimeout: bodyTime, WriteTimeout: answerTime, IdleTimeout: s.idle,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	s.served = make(chan struct{})
	go func() { // ends by Close
		defer close(s.served)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("the control socket has ended", "error", err)
		}
	}()
}

func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.begin() {
			defer s.running.Done()
			h.ServeHTTP(w, r)
		}
	})
}

func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

// Close removes the socket, lets requests that run come to their end, for five
// seconds, and ends the rest. No method of the daemon runs when it returns.
func (s *Server) Close() error {
	err := unlink(s.path, s.file)
	if s.http == nil {
		return errors.Join(err, s.listener.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.farewell)
	defer cancel()
	if e := s.http.Shutdown(ctx); errors.Is(e, context.DeadlineExceeded) {
		e = s.http.Close()
		err = errors.Join(err, e)
	}
	s.mu.Lock()
	s.closed = true // a connection that has just been ended may still hand a request on
	s.mu.Unlock()
	s.running.Wait()
	<-s.served
	return err
}

package sockets

import (
	"net"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Listener accepts stream connections.
type Listener struct {
	conn      conn
	keepAlive net.KeepAliveConfig
}

var _ net.Listener = (*Listener)(nil)

// Accept waits for a connection, a [*TCPConn]. A connection that was reset while
// it waited, or that a layer denied, is passed over, as package net does.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept with the type that it returns.
func (l *Listener) AcceptTCP() (*TCPConn, error) {
	for {
		s, e, err := l.conn.sock.accept()
		switch {
		case e == 0 && err == nil:
			owner := l.conn.sock.owner()
			k, err := owner.newSock(owner, s, nil)
			if err != nil {
				return nil, l.failure(opAccept, 0, err)
			}
			return newTCPConn(k, l.conn.network, l.keepAlive), nil
		case !passedOver(e) || l.conn.sock.s.Failed() != 0:
			return nil, l.failure(opAccept, e, err)
		}
	}
}

// passedOver are the codes of a connection that came to nothing, while the
// listener is well: gone before it was accepted, or denied by a layer.
func passedOver(e wsa.Errno) bool {
	return e == wsa.ECONNRESET || e == wsa.ECONNABORTED || e == wsa.ECONNREFUSED
}

func (l *Listener) failure(op operation, e wsa.Errno, err error) error {
	if err == nil {
		err = e.Err()
	}
	return opError(op, l.conn.network.name, nil, l.conn.local, stream, err)
}

// Close stops listening. Connections that wait are reset; a blocked Accept
// returns [net.ErrClosed].
func (l *Listener) Close() error {
	return l.failure(opClose, 0, l.conn.sock.close(provider.CloseAbort))
}

// Addr is the address listened on, also after Close.
func (l *Listener) Addr() net.Addr { return l.conn.local }

// SetDeadline makes Accept fail with [os.ErrDeadlineExceeded] from t on.
func (l *Listener) SetDeadline(t time.Time) error { return l.conn.SetReadDeadline(t) }

// Socket is the socket below; see [TCPConn.Socket].
func (l *Listener) Socket() *provider.Socket { return l.conn.Socket() }

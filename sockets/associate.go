package sockets

import "github.com/netnsd/netnsd/provider/wsa"

// Associate is CreateIoCompletionPort with a file: completions of s go to the
// port, with the key, from the next operation on. EINVAL: it has a port already,
// or is no overlapped socket. INVALID_HANDLE: the port is closed. It does not block;
// the port stays the caller's, and serves the socket until that is closed.
func (s *Session) Associate(h SOCKET, p *CompletionPort, key uintptr) wsa.Errno {
	switch {
	case p == nil:
		return wsa.EINVAL
	case p.isClosed():
		return wsa.INVALID_HANDLE
	}
	if done, e := s.contexts.associate(h, &association{p, key}); done {
		return e
	}
	f := functions{s: s}
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case !k.winsock.overlapped:
		return wsa.EINVAL
	}
	if !k.winsock.port.CompareAndSwap(nil, &association{p, key}) {
		return wsa.EINVAL
	}
	return 0
}

// associate does so for a descriptor of WPUCreateSocketHandle; false if h is none.
func (c *contexts) associate(h SOCKET, a *association) (bool, wsa.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.open[h]
	switch {
	case f == nil:
		return false, 0
	case f.port != nil:
		return true, wsa.EINVAL
	}
	f.port = a
	return true, 0
}

// CancelIoEx cancels the operation o of s, or all that are pending if o is nil:
// they complete with OPERATION_ABORTED. EINVAL: there is none (ERROR_NOT_FOUND). It
// does not block.
//
// A ConnectEx that was started, and a send of which a part is on its way, cannot be
// undone: the socket is usable only for close then, ECONNABORTED (winsock-spi 3.7),
// and closing it ends the attempt or resets the connection.
func (s *Session) CancelIoEx(h SOCKET, o *Overlapped) wsa.Errno {
	f := functions{s: s}
	k, e := f.find(h)
	if e != 0 {
		return e
	}
	if o != nil {
		if !k.cancel(o) {
			return wsa.EINVAL
		}
		return 0
	}
	n := 0
	for _, d := range k.winsock.directions() {
		d.call.Lock()
		d.abort(func(o *Overlapped) { n++; k.cancelled(o) })
		d.call.Unlock()
		k.winsock.served(d)
	}
	if n += k.abortFirsts((*Overlapped).abort); n == 0 {
		return wsa.EINVAL
	}
	return 0
}

package sockets

import "github.com/netnsd/netnsd/provider/wsa"

// Associate is CreateIoCompletionPort with a file: completions of s go to the
// port, with the key, from the next operation on. EINVAL: it has a port already,
// or is no overlapped socket. INVALID_HANDLE: the port is closed. It does not block;
// the port stays the caller's, and serves the socket until that is closed.
func (s *Session) Associate(h SOCKET, p *CompletionPort, key uintptr) wsa.Errno {
	own := s.contexts.has(h)
	f := functions{s: s}
	k, e := f.find(h)
	switch {
	case e != 0 && !own:
		return e
	case p == nil:
		return wsa.EINVAL
	case p.isClosed():
		return wsa.INVALID_HANDLE
	case own:
		return s.contexts.associate(h, &association{p, key})
	case !k.winsock.overlapped:
		return wsa.EINVAL
	}
	if !k.winsock.port.CompareAndSwap(nil, &association{p, key}) {
		return wsa.EINVAL
	}
	return 0
}

// has reports that h is a descriptor of WPUCreateSocketHandle.
func (c *contexts) has(h SOCKET) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[h] != nil
}

// associate is Associate of such a one.
func (c *contexts) associate(h SOCKET, a *association) wsa.Errno {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.open[h]
	switch {
	case f == nil:
		return wsa.ENOTSOCK
	case f.port != nil:
		return wsa.EINVAL
	}
	f.port = a
	return 0
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
		k.winsock.served()
	}
	if n += k.abortFirsts((*Overlapped).abort); n == 0 {
		return wsa.EINVAL
	}
	return 0
}

package sockets

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// eventSelect is WSPEventSelect (winsock-spi 3.11, 6.4).
func (f *functions) eventSelect(h SOCKET, event *Event, mask wsa.Events) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case mask&^wsa.FD_ALL_EVENTS != 0, mask != 0 && !event.valid():
		return wsa.EINVAL
	}
	k.winsock.nonblocking.Store(true)
	if mask == 0 {
		event = nil
	}
	k.winsock.selecting().register(h, mask, event, nil)
	return 0
}

// asyncSelect is WSPAsyncSelect (winsock-spi 3.5).
func (f *functions) asyncSelect(h SOCKET, post MessageProc, mask wsa.Events) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case mask&^wsa.FD_ALL_EVENTS != 0, mask != 0 && post == nil:
		return wsa.EINVAL
	}
	k.winsock.nonblocking.Store(true)
	if mask == 0 {
		post = nil
	}
	k.winsock.selecting().register(h, mask, nil, post)
	return 0
}

// enumNetworkEvents is WSPEnumNetworkEvents (winsock-spi 3.12).
func (f *functions) enumNetworkEvents(h SOCKET, event *Event, ne *NetworkEvents) wsa.Errno {
	k, e := f.find(h)
	switch {
	case e != 0:
		return e
	case ne == nil:
		return wsa.EINVAL
	}
	return k.winsock.selection.Load().fetch(event, ne)
}

// level is Ready, unless the socket is closed.
func (k *sock) level(mask wsa.Events) (r provider.Readiness, open bool) {
	k.ctl.Lock()
	defer k.ctl.Unlock()
	if k.closed.Load() {
		return r, false
	}
	return k.table.Ready(k.s, mask), true
}

package socketstest_test

import (
	"context"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// portAnswer is whether a port must have a record.
type portAnswer int

func (r *runner) associate(i instruction) {
	d, p := r.m.at(i.slot), r.m.ports[i.a&1]
	if i.a&7 == 7 {
		p = r.m.ports[0]
	}
	r.m.mu.Lock()
	key := uintptr(len(r.m.keys) + 1)
	r.m.keys[key] = d.k
	r.m.mu.Unlock()
	d.k.mu.Lock()
	d.k.maybe = true
	d.k.mu.Unlock()
	e := r.call("Associate", d, func(*sockets.WSPProcTable) wsa.Errno {
		return r.m.ground.sessions[d.side].Associate(d.h, p.CompletionPort, key)
	})
	if e == 0 {
		d.k.mu.Lock()
		if d.k.port != nil {
			r.m.failf("a socket has two ports")
		}
		d.k.port, d.k.key = p, key
		d.k.mu.Unlock()
	}
}

// port gets a record, or posts one.
func (r *runner) port(i instruction) {
	p := r.m.ports[i.slot&1]
	r.doing.Store("Get")
	defer r.m.steps.Add(1)
	switch {
	case i.a&7 == 7:
		if e := p.Post(uint32(i.c), 0, nil); e != 0 && !(e == wsa.ENOBUFS && p.bounded) && !(e == wsa.INVALID_HANDLE && p.closing.Load()) {
			r.m.failf("Post: %s", e.Name())
		}
	case i.a&7 == 6:
		var c [4]sockets.Completion
		n, e := p.GetMany(c[:], duration(i.b))
		r.m.gotNone(p, e)
		for _, c := range c[:n] {
			r.m.gotRecord(p, c)
		}
	default:
		c, e := p.Get(duration(i.b))
		if r.m.gotNone(p, e); e == 0 {
			r.m.gotRecord(p, c)
		}
	}
}

func (m *machine) gotNone(p *port, e wsa.Errno) {
	if e != 0 && e != wsa.WAIT_TIMEOUT && !(e == wsa.INVALID_HANDLE && p.closing.Load()) {
		m.failf("Get: %s", e.Name())
	}
}

// gotRecord judges a completion.
func (m *machine) gotRecord(p *port, c sockets.Completion) {
	if c.Overlapped == nil {
		if c.Key != 0 {
			m.failf("a record with key %d of no operation", c.Key)
		}
		return
	}
	o := c.Overlapped.Context.(*operation)
	m.mu.Lock()
	k := m.keys[c.Key]
	o.record = c
	m.mu.Unlock()
	if o.records.Add(1) != 1 {
		m.failf("%s: two records in a port", o.fn)
	}
	switch {
	case k != o.d.k:
		m.failf("%s: a record with the key of another socket", o.fn)
	case c.Errno == 0 && o.size >= 0 && int(c.N) != o.size, int(c.N) > len(o.message.data):
		m.failf("%s of %d bytes: a record with %d and %v", o.fn, len(o.message.data), c.N, c.Errno)
	case c.Errno == wsa.ECONNABORTED && o.d.k.closing.Load(): // 12.8
	case !m.mayEnd(o, c.Errno):
		m.failf("%s: a record with %s", o.fn, c.Errno.Name())
	}
}

// portClose closes the bounded port, if the program means it.
func (r *runner) portClose(i instruction) {
	if p := r.m.ports[1]; i.a&7 == 7 {
		p.closing.Store(true)
		p.Close()
	}
}

// sleep waits alertably, for a moment.
func (r *runner) sleep(i instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), duration(i.a))
	defer cancel()
	r.doing.Store("SleepEx")
	r.thread.SleepEx(ctx)
	r.m.steps.Add(1)
}

package owner

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// processes are who holds what.
type processes map[uint64]provider.Process

func (p processes) ByInode(ctx context.Context, inode uint64) (provider.Process, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return provider.Process{}, errors.New("a question without an end")
	}
	if one, ok := p[inode]; ok {
		return one, nil
	}
	return provider.Process{}, fs.ErrNotExist
}

func TestLookup(t *testing.T) {
	curl := provider.Process{PID: 7, Started: 70, Executable: "/usr/bin/curl", CGroup: "/a"}
	python := provider.Process{PID: 8, Started: 80, Executable: "/usr/bin/python3", CGroup: "/a"}
	held := processes{1: curl, 2: curl, 3: python}
	tcp := func(uid, inode uint32) [][][]byte {
		s := Socket{Local: guest, Remote: far, UID: uid, Inode: inode, state: 2}
		return [][][]byte{{said(s.body(false))}}
	}
	udp := func(all ...Socket) [][][]byte {
		var bodies [][]byte
		for _, s := range all {
			s.Local, s.Remote = netip.AddrPortFrom(guest.Addr(), guest.Port()), far
			bodies = append(bodies, s.body(false))
		}
		return [][][]byte{{said(bodies...), done}, {done}}
	}
	for _, c := range []struct {
		name     string
		protocol int32
		answers  [][][]byte
		partial  bool
		uid      int
		inodes   []uint64
		process  provider.Process
	}{
		{"TCP", wsa.IPPROTO_TCP, tcp(1000, 1), false, 1000, []uint64{1}, curl},
		{"root", wsa.IPPROTO_TCP, tcp(0, 1), false, 0, []uint64{1}, curl},
		{"nobody's uid", wsa.IPPROTO_TCP, tcp(NoUser, 1), false, NoUser, []uint64{1}, curl},
		{"a uid that the namespace does not know", wsa.IPPROTO_TCP, tcp(NoUser, 1), true, -1, []uint64{1}, curl},
		{"held by nobody", wsa.IPPROTO_TCP, tcp(1000, 9), false, 1000, []uint64{9}, provider.Process{}},
		{"gone", wsa.IPPROTO_TCP, [][][]byte{{failed(0, syscall.ENOENT)}}, false, -1, nil, provider.Process{}},
		{"UDP", wsa.IPPROTO_UDP, udp(Socket{UID: 5, Inode: 3}), false, 5, []uint64{3}, python},
		{"two of one process", wsa.IPPROTO_UDP, udp(Socket{UID: 5, Inode: 1}, Socket{UID: 5, Inode: 2}), false, 5, []uint64{1, 2}, curl},
		{"two of two processes", wsa.IPPROTO_UDP, udp(Socket{UID: 5, Inode: 1}, Socket{UID: 5, Inode: 3}), false, 5, []uint64{1, 3}, provider.Process{CGroup: "/a"}},
		{"two of two users", wsa.IPPROTO_UDP, udp(Socket{UID: 5, Inode: 1}, Socket{UID: 6, Inode: 2}), false, -1, []uint64{1, 2}, curl},
		{"one with a hidden holder", wsa.IPPROTO_UDP, udp(Socket{UID: 5, Inode: 1}, Socket{UID: 5, Inode: 9}), false, 5, []uint64{1, 9}, provider.Process{}},
		{"one of the kernel's own", wsa.IPPROTO_UDP, udp(Socket{UID: 5, Inode: 1}, Socket{}), false, -1, nil, provider.Process{}},
		{"ping", wsa.IPPROTO_ICMP, nil, false, -1, nil, provider.Process{}},
	} {
		var l Lookup
		if err := l.Use(Sources{Diag: newDiag(&scripted{t: t, answers: c.answers}), Processes: held, Partial: c.partial}); err != nil {
			t.Fatal(err)
		}
		uid, inodes := l.Socket(c.protocol, guest, far)
		p, ok := l.Holder(inodes)
		if uid != c.uid || !slices.Equal(inodes, c.inodes) || p != c.process || ok != (c.process != provider.Process{}) {
			t.Errorf("%s: uid %d, inodes %v, %+v %v", c.name, uid, inodes, p, ok)
		}
	}
}

// Without sources, or with some of them, nothing is known and nothing breaks.
func TestLookupWithoutSources(t *testing.T) {
	var l Lookup
	if uid, inodes := l.Socket(wsa.IPPROTO_TCP, guest, far); uid != -1 || inodes != nil {
		t.Errorf("%d %v", uid, inodes)
	}
	if p, ok := l.Holder([]uint64{1}); ok {
		t.Errorf("%+v", p)
	}
	first, second := &scripted{t: t}, &scripted{t: t}
	l.Use(Sources{Diag: newDiag(first)})
	if p, ok := l.Holder([]uint64{1}); ok {
		t.Errorf("%+v", p)
	}
	l.Use(Sources{Diag: newDiag(second)})
	if l.Close(); first.closed != 1 || second.closed != 1 {
		t.Errorf("closed %d and %d times", first.closed, second.closed)
	}
	if uid, _ := l.Socket(wsa.IPPROTO_TCP, guest, far); uid != -1 {
		t.Error(uid)
	}
}

func TestCommon(t *testing.T) {
	a := provider.Process{PID: 1, Started: 2, Executable: "/a", Argv0: "a", CGroup: "/g"}
	again := a
	again.Started = 3 // the same pid, another process
	deleted := a
	deleted.Deleted = true
	for _, c := range []struct {
		all  []provider.Process
		want provider.Process
	}{
		{nil, provider.Process{}},
		{[]provider.Process{a}, a},
		{[]provider.Process{a, a}, a},
		{[]provider.Process{a, again}, provider.Process{Executable: "/a", Argv0: "a", CGroup: "/g"}},
		{[]provider.Process{a, deleted}, provider.Process{PID: 1, Started: 2, Argv0: "a", CGroup: "/g"}},
		{[]provider.Process{a, {}, a}, provider.Process{}},
	} {
		if got := Common(c.all); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.all, got, c.want)
		}
	}
}

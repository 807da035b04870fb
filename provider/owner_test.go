package provider_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// owners answers, and counts who asks.
type owners struct {
	uid     int
	inodes  []uint64
	process provider.Process

	sockets, holders int
}

func (o *owners) Socket(int32, netip.AddrPort, netip.AddrPort) (int, []uint64) {
	o.sockets++
	return o.uid, o.inodes
}

func (o *owners) Holder([]uint64) (provider.Process, bool) {
	o.holders++
	return o.process, o.process != provider.Process{}
}

var curl = provider.Process{PID: 7, Started: 70, Executable: "/usr/bin/curl", CGroup: "/a"}

// An owner is looked up when somebody asks, no earlier, and once.
func TestOwnerIsLazy(t *testing.T) {
	all := &owners{uid: 1000, inodes: []uint64{5}, process: curl}
	o := &provider.Origin{UID: -1, Owner: &provider.Owner{Owners: all}}
	if uid, p := o.Seen(); uid != -1 || p != (provider.Process{}) || all.sockets != 0 {
		t.Errorf("seen %d, %+v, %d questions", uid, p, all.sockets)
	}
	var asking sync.WaitGroup
	for range 10 {
		asking.Go(func() {
			if uid, ok := o.User(); uid != 1000 || !ok {
				t.Errorf("uid %d %v", uid, ok)
			}
		})
	}
	asking.Wait()
	if uid, p := o.Seen(); uid != 1000 || p != (provider.Process{}) || all.sockets != 1 || all.holders != 0 {
		t.Errorf("seen %d, %+v, questions %d and %d", uid, p, all.sockets, all.holders)
	}
	for range 2 {
		if p, ok := o.Process(); p != curl || !ok {
			t.Errorf("%+v %v", p, ok)
		}
	}
	if _, p := o.Seen(); p != curl || all.sockets != 1 || all.holders != 1 {
		t.Errorf("seen %+v, questions %d and %d", p, all.sockets, all.holders)
	}
}

// Who cannot be found is looked for once, too, and has no uid that a rule could take
// for one.
func TestOwnerUnknown(t *testing.T) {
	all := &owners{uid: -1}
	o := &provider.Origin{UID: -1, Owner: &provider.Owner{Owners: all}}
	for range 2 {
		if uid, ok := o.User(); uid != -1 || ok {
			t.Errorf("uid %d %v", uid, ok)
		}
		if p, ok := o.Process(); ok {
			t.Errorf("%+v", p)
		}
	}
	if all.sockets != 1 || all.holders != 0 {
		t.Errorf("questions %d and %d", all.sockets, all.holders)
	}
}

// The port that datagrams come from may be another's soon.
func TestOwnerFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &owners{uid: 1000, inodes: []uint64{5}, process: curl}
		o := &provider.Origin{UID: -1, Owner: &provider.Owner{Owners: all, Protocol: wsa.IPPROTO_UDP, Fresh: time.Second}}
		o.Process()
		time.Sleep(time.Second - 1)
		if uid, _ := o.User(); uid != 1000 || all.sockets != 1 {
			t.Errorf("uid %d, %d questions", uid, all.sockets)
		}
		all.uid, all.inodes, all.process = -1, nil, provider.Process{}
		time.Sleep(1)
		if p, ok := o.Process(); ok || all.sockets != 2 {
			t.Errorf("%+v, %d questions", p, all.sockets)
		}
		if uid, p := o.Seen(); uid != -1 || p != (provider.Process{}) {
			t.Errorf("seen %d, %+v", uid, p)
		}
	})
}

// What is stated is not looked up.
func TestOriginStates(t *testing.T) {
	all := &owners{uid: 1000, inodes: []uint64{5}, process: curl}
	w := &provider.Owner{Owners: all}
	for _, c := range []struct {
		name    string
		o       *provider.Origin
		uid     int
		process provider.Process
		asked   bool
	}{
		{"nobody", nil, -1, provider.Process{}, false},
		{"the zero Origin is not root", &provider.Origin{}, -1, provider.Process{}, false},
		{"nor is it with an owner", &provider.Origin{Owner: w}, 1000, curl, true},
		{"root", &provider.Origin{PID: 1, Owner: w}, 0, provider.Process{PID: 1}, false},
		{"a user", &provider.Origin{UID: 5, Executable: "/bin/x", Owner: w}, 5, provider.Process{Executable: "/bin/x"}, false},
		{"a group", &provider.Origin{UID: 5, CGroup: "/x", Owner: w}, 5, provider.Process{CGroup: "/x"}, false},
		{"a user alone", &provider.Origin{UID: 5, Owner: w}, 5, curl, true},
	} {
		all.sockets = 0
		*w = provider.Owner{Owners: all} // nobody has it yet
		uid, known := c.o.User()
		p, held := c.o.Process()
		if uid != c.uid || known != (uid >= 0) || p != c.process || held != (p != provider.Process{}) || all.sockets > 0 != c.asked {
			t.Errorf("%s: uid %d %v, %+v %v, %d questions", c.name, uid, known, p, held, all.sockets)
		}
		if u, q := c.o.Seen(); u != uid || q != p {
			t.Errorf("%s: seen %d, %+v", c.name, u, q)
		}
	}
}

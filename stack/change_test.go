package stack_test

import (
	"net/netip"
	"testing"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
)

// TestOnChange: each change of addresses and routes is told, once, while it is asked
// for.
func TestOnChange(t *testing.T) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	told, others := 0, 0
	stop := s.OnChange(func() { told++ })
	other := s.OnChange(func() { others++ })
	step := func(what string, want int) {
		t.Helper()
		if told != want {
			t.Errorf("%s: told %d times, want %d", what, told, want)
		}
	}
	more := netip.MustParsePrefix("10.1.0.9/24")
	n, err := s.AddNIC(stack.NICConfig{Name: "n", Device: stacktest.NewWire(false)})
	if err != nil {
		t.Fatal(err)
	}
	step("AddNIC", 1)
	if err := n.AddAddr(more); err != nil {
		t.Fatal(err)
	}
	step("AddAddr", 2)
	if n.AddAddr(more) == nil {
		t.Error("twice the same address")
	}
	step("AddAddr that fails", 2)
	if err := n.RemoveAddr(more); err != nil {
		t.Fatal(err)
	}
	step("RemoveAddr", 3)
	s.SetRoutes([]stack.Route{{Dest: netip.MustParsePrefix("0.0.0.0/0"), NIC: n}})
	step("SetRoutes", 4)
	stop()
	n.Close()
	step("after stop", 4)
	if others != 5 {
		t.Errorf("the other was told %d times, want 5", others)
	}
	other()
}

package dns

import (
	"testing"
	"time"
)

// Whoever was in flight when a server fell silent says so once; after its rest one
// query finds out for all.
func TestRest(t *testing.T) {
	c := newClock()
	dead, good := new(server), new(server)
	first := func() *server { return inTurn([]*server{dead, good}, c.now())[0] }
	if first() != dead {
		t.Fatal("a new server is not asked in its turn")
	}
	began := c.now()
	dead.asked(began)
	c.step(serverTimeout)
	for range 5 { // five queries, which all began then
		dead.heard(false, began, c.now())
	}
	if dead.silent != 1 || first() != good {
		t.Errorf("silent %d times, want 1; first is the dead one: %v", dead.silent, first() == dead)
	}
	c.step(firstRest)
	if first() != dead {
		t.Error("it rests longer than it should")
	}
	began = c.now()
	dead.asked(began)
	c.step(time.Second)
	if first() != good {
		t.Error("while one finds out, others ask it first")
	}
	c.step(serverTimeout - time.Second)
	dead.heard(false, began, c.now())
	if c.step(2*firstRest - 1); first() != good || dead.silent != 2 {
		t.Errorf("silent %d times, and its second rest is too short", dead.silent)
	}
	if c.step(1); first() != dead {
		t.Error("its second rest is too long")
	}
	dead.heard(true, c.now(), c.now())
	if first() != dead || dead.silent != 0 {
		t.Error("it has answered, and is not asked first")
	}
}

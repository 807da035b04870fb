package sockets_test

import (
	"slices"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// TestPostedMessagesInOrder: messages come one at a time, in the order in which they
// were posted, and no more wait than a queue of Windows holds.
func TestPostedMessagesInOrder(t *testing.T) {
	s := start(t, new(script))
	up := s.Upcalls()
	var got []sockets.SOCKET
	hold, done := make(chan struct{}), make(chan struct{})
	first := func(sockets.SOCKET, wsa.Events, wsa.Errno) { <-hold }
	note := func(h sockets.SOCKET, _ wsa.Events, _ wsa.Errno) { got = append(got, h) }
	if !up.WPUPostMessage(first, 0, 0, 0) {
		t.Fatal("the first was not taken")
	}
	taken := 0
	for up.WPUPostMessage(note, sockets.SOCKET(taken), 0, 0) {
		if taken++; taken > 20000 {
			t.Fatal("as many as one likes wait")
		}
	}
	close(hold)
	for !up.WPUPostMessage(func(sockets.SOCKET, wsa.Events, wsa.Errno) { close(done) }, 0, 0, 0) {
	}
	<-done
	if len(got) != taken || !slices.IsSorted(got) {
		t.Errorf("%d of %d, in order: %v", len(got), taken, slices.IsSorted(got))
	}
}

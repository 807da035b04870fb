//go:build linux

package opener

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/provider"
)

// version is of the messages below. Both sides are one binary, started by itself;
// one that is replaced meanwhile is still /proc/self/exe.
const version = 2

// question is what the data plane asks a Resident: who holds a socket, or one of the
// others, which are for one that opens.
type question struct {
	Version int
	ID      uint64 // of the question, not 0
	Network uint64 `json:",omitempty"` // number of the network namespace that the socket is in
	Inode   uint64 `json:",omitempty"`

	// Open makes a device, called by the ID of this question from then on. The namespace
	// comes as a descriptor if no path is given.
	Open      *Place `json:",omitempty"`
	SetUp     uint64 `json:",omitempty"` // brings a device up
	Configure uint64 `json:",omitempty"` // gives one that is up all that it lacks
	Close     uint64 `json:",omitempty"` // lets one go
	Look      string `json:",omitempty"` // a path: is there a namespace to be served?
}

// reply is the answer to the question of that ID, or with 0 what is told unasked: what
// holds the Resident itself, first of all, or that a namespace has gone.
type reply struct {
	Version int
	ID      uint64
	Process *provider.Process `json:",omitempty"`
	Nobody  bool              `json:",omitempty"` // holds it, as far as one may look
	Failed  string            `json:",omitempty"`
	Means   []confine.Mean    `json:",omitempty"`

	Opened  *opened `json:",omitempty"` // the TUN, what follows it, and perhaps sock_diag come with it
	Warning string  `json:",omitempty"` // what could not be had
	Error   *Error  `json:",omitempty"` // nothing was done
	Gone    uint64  `json:",omitempty"` // the device whose namespace is not at its path any more
}

// opened is what is to be known of a device.
type opened struct {
	Index   uint32 // of the link
	Network uint64 // number of the namespace
	Partial bool   // see owner.Sources
}

// maxQuestion and maxReply bound the packets; a path has 4096 bytes, and JSON makes
// six of one at worst.
const (
	maxQuestion = 96 << 10
	maxReply    = 96 << 10
)

func parseQuestion(b []byte) (q question, err error) {
	if err = strictly(b, &q); err == nil && (q.Version != version || q.ID == 0) {
		err = fmt.Errorf("question %d of version %d", q.ID, q.Version)
	}
	if err == nil {
		err = q.check()
	}
	return q, err
}

// check says what is wrong with q: it asks one thing.
func (q *question) check() error {
	things := 0
	for _, is := range []bool{q.Inode != 0 || q.Network != 0, q.Open != nil, q.SetUp != 0, q.Configure != 0, q.Close != 0, q.Look != ""} {
		if is {
			things++
		}
	}
	switch {
	case things != 1:
		return fmt.Errorf("a question of %d things", things)
	case q.Open != nil:
		return q.Open.check()
	case q.Look != "":
		return checkPath(q.Look, false)
	}
	return nil
}

// opens says that it is for a Resident that opens.
func (q *question) opens() bool { return q.Inode == 0 && q.Network == 0 }

func parseReply(b []byte) (r reply, err error) {
	if err = strictly(b, &r); err == nil && r.Version != version {
		err = fmt.Errorf("reply of version %d", r.Version)
	}
	return r, err
}

func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one message")
	}
	return nil
}

// answer is r as provider.Processes has it.
func (r reply) answer() (provider.Process, error) {
	switch {
	case r.Nobody:
		return provider.Process{}, fmt.Errorf("opener: no process holds the socket: %w", fs.ErrNotExist)
	case r.Process == nil || r.Failed != "":
		return provider.Process{}, fmt.Errorf("opener: %s", r.Failed)
	}
	return *r.Process, nil
}

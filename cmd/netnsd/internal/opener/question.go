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
const version = 1

// question is what the data plane asks a Resident: who holds a socket.
type question struct {
	Version int
	ID      uint64 // of the question, not 0
	Network uint64 // number of the network namespace that it is in
	Inode   uint64
}

// reply is the answer to the question of that ID, or with 0 the first message: what
// holds the Resident itself.
type reply struct {
	Version int
	ID      uint64
	Process *provider.Process `json:",omitempty"`
	Nobody  bool              `json:",omitempty"` // holds it, as far as one may look
	Failed  string            `json:",omitempty"`
	Means   []confine.Mean    `json:",omitempty"`
}

// maxQuestion and maxReply bound the packets; a path has 4096 bytes, and JSON makes
// six of one at worst.
const (
	maxQuestion = 256
	maxReply    = 96 << 10
)

func parseQuestion(b []byte) (q question, err error) {
	if err = strictly(b, &q); err == nil && (q.Version != version || q.ID == 0) {
		err = fmt.Errorf("question %d of version %d", q.ID, q.Version)
	}
	return q, err
}

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
	case r.Process == nil:
		return provider.Process{}, fmt.Errorf("opener: %s", r.Failed)
	}
	return *r.Process, nil
}

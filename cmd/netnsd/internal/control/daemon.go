//go:build linux

package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

// Daemon is what the server works over. Its methods are called from many goroutines
// at once. A context ends with the request; a change that has begun is finished all
// the same. On an error nothing has changed.
//
// Errors are told apart by errors.Is: [ErrNotFound], [ErrExists], [ErrInvalid],
// [ErrEnding]; a [config.Errors] is ErrInvalid with its positions. Any other error
// is the daemon's own failure. Their texts are shown to who asks.
type Daemon interface {
	Status(context.Context) Status
	// Flows are the open sockets of all attachments, or of the one that is named.
	Flows(ctx context.Context, attachment string) ([]Flow, error)
	// Chains are those of all attachments, or of the one that is named.
	Chains(ctx context.Context, attachment string) ([]Chain, error)
	// Kill resets a flow; a published port is none.
	Kill(ctx context.Context, id uint64) error
	// Explain says what would become of q in the attachment.
	Explain(ctx context.Context, attachment string, q explain.Query) (explain.Answer, error)
	// Reload reads the file again and puts it in force, or fails and changes nothing.
	Reload(context.Context, ReloadQuery) (Reload, error)
	// Defaults are those of the file for attachments that do not say otherwise.
	Defaults() config.Settings
	// Attach serves another namespace, until Detach or the daemon's end; a reload
	// leaves it alone. a is complete and possible by itself; what it is beside the
	// others (name, chains, ports) is for the daemon, see [config.Config.Admit]. It
	// owns a.Netns.File, also if it fails.
	Attach(ctx context.Context, a config.Attachment) error
	// Detach lets a namespace go and resets its flows, whoever attached it.
	Detach(ctx context.Context, name string) error
	// Publish opens a port of this host, Unpublish closes it by its ID.
	Publish(ctx context.Context, attachment string, p config.Publish) error
	Unpublish(ctx context.Context, attachment, id string) error
	// Metrics answers with the text that Prometheus reads.
	Metrics() http.Handler
}

// ErrForbidden is what the server refuses a peer that is not allowed.
var ErrForbidden = errors.New("not permitted")

// What a Daemon refuses.
var (
	ErrNotFound = errors.New("there is no such object")
	ErrExists   = errors.New("it exists already")
	ErrInvalid  = errors.New("it cannot be so")
	ErrEnding   = errors.New("the daemon is ending")
)

// Status is what `netnsd status` shows.
type Status struct {
	Version     string       `json:"version"` // of the program
	PID         int          `json:"pid"`
	Started     time.Time    `json:"started"`
	Config      string       `json:"config"`            // the file
	Generation  uint64       `json:"generation"`        // of the configuration: 1, and one more with each reload
	Loaded      time.Time    `json:"loaded"`            // when this generation began
	Problem     string       `json:"problem,omitempty"` // why the last reload was refused
	Ending      bool         `json:"ending,omitempty"`  // connections may end, and nothing can be changed
	Missing     []string     `json:"missing,omitempty"` // what nothing holds the daemon from if somebody gets hold of it, and why
	Attachments []Attachment `json:"attachments"`
}

// States of an attachment.
const (
	StateUp   = "up"   // packets pass
	StateDown = "down" // the link inside is down
	StateGone = "gone" // the namespace or the device is gone; Problem says which
)

// Attachment is one of Status.
type Attachment struct {
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Problem   string    `json:"problem,omitempty"`
	Netns     string    `json:"netns"` // as it was given: web, /run/x, pid:7, fd:3
	Interface string    `json:"interface"`
	Addrs     []string  `json:"addrs"`
	Origin    string    `json:"origin"` // config or api
	Since     time.Time `json:"since"`
	Chains    []string  `json:"chains"`              // that its sockets can take
	Published []string  `json:"published,omitempty"` // IDs
	Flows     int       `json:"flows"`
	BytesIn   uint64    `json:"bytes_in"`  // to the program
	BytesOut  uint64    `json:"bytes_out"` // from it
}

// Flow is one line of `netnsd ps`: a socket of a chain.
type Flow struct {
	ID         uint64    `json:"id"`
	Attachment string    `json:"attachment"`
	Proto      string    `json:"proto"` // tcp, udp, icmp
	Source     string    `json:"source"`
	Dest       string    `json:"dest"`
	Name       string    `json:"name,omitempty"`    // that the program asked for
	Process    string    `json:"process,omitempty"` // if a layer has asked for it
	PID        int       `json:"pid,omitempty"`
	UID        int       `json:"uid"` // -1 = not known
	Chain      string    `json:"chain"`
	State      string    `json:"state"` // open, published: it waits for others, or failed: and why
	Since      time.Time `json:"since"`
	BytesIn    uint64    `json:"bytes_in"`
	BytesOut   uint64    `json:"bytes_out"`
}

// A ReloadQuery says what becomes of flows, where it is to be other than the file says.
type ReloadQuery struct {
	Old        string // "" = as the file says
	Drain      *config.Duration
	KeepDenied *bool
}

// Over is what r says, but for what q says.
func (q ReloadQuery) Over(r config.Reload) config.Reload {
	if q.Old != "" {
		r.Old = q.Old
	}
	if q.Drain != nil {
		r.Drain = *q.Drain
	}
	if q.KeepDenied != nil {
		r.KeepDenied = *q.KeepDenied
	}
	return r
}

// Reload is what a reload has done.
type Reload struct {
	Generation uint64   `json:"generation"`
	Attached   []string `json:"attached"`
	Detached   []string `json:"detached"`
	Changed    []string `json:"changed"`         // attached anew, or with another network
	Denied     int      `json:"denied"`          // flows that the new rules deny
	Old        int      `json:"old"`             // others, on a chain that has changed
	Reset      int      `json:"reset"`           // flows of both that were reset
	Notes      []string `json:"notes,omitempty"` // what takes a restart, and the like
}

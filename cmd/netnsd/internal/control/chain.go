//go:build linux

package control

import "time"

// Chain is one of an attachment: what its sockets pass, from the program down. One
// installation over several protocols is one Chain.
type Chain struct {
	Attachment string   `json:"attachment"`
	Name       string   `json:"name"`
	Version    uint64   `json:"version"`       // the state of the catalog that it was built of
	Old        bool     `json:"old,omitempty"` // of before a reload: only for sockets that have it
	Protocols  []string `json:"protocols"`     // tcp, udp, icmp, raw
	Sockets    int      `json:"sockets"`
	Layers     []Layer  `json:"layers"` // the first nearest the program
	Base       string   `json:"base"`
}

// Layer is one of a Chain, and what has crossed the boundary above it.
type Layer struct {
	Name       string   `json:"name"`
	Categories []string `json:"categories"`
	Decides    bool     `json:"decides,omitempty"`
	Bytes      bool     `json:"bytes,omitempty"`   // it stands in the path of the bytes
	Breaker    string   `json:"breaker,omitempty"` // open or half-open: it has failed too often
	Problem    string   `json:"problem,omitempty"` // its last failure
	Probe
}

// Probe is what a layer was asked, in the entries that it has replaced.
type Probe struct {
	In       Crossed           `json:"in"`
	Out      Crossed           `json:"out"`
	Entries  map[string]uint64 `json:"entries"` // how often each was asked, but the data's
	Errors   uint64            `json:"errors"`  // of Entries
	Verdicts map[string]uint64 `json:"verdicts,omitempty"`
	Faults   map[string]uint64 `json:"faults,omitempty"` // panic, stall, lie, leak
}

// Crossed is what the data entries of one direction were asked.
type Crossed struct {
	Operations uint64 `json:"operations"`
	Bytes      uint64 `json:"bytes"`
	Errors     uint64 `json:"errors"`
	// P50 and P99 are what the layer has added to an operation at most: one in 256 is
	// measured; 0 if none was.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
}

package shape

import (
	"errors"
	"fmt"
)

// Per says which sockets share the limits of a rule.
type Per uint8

// Keys of buckets.
const (
	PerAll         Per = iota // all that the rule matches
	PerAttachment             // those of one attachment
	PerName                   // those to one name; to an address where none is known
	PerDestination            // those to one address
	PerSocket                 // each its own
)

var perNames = [...]string{"all", "attachment", "name", "destination", "socket"}

func (p Per) String() string {
	if int(p) < len(perNames) {
		return perNames[p]
	}
	return fmt.Sprintf("per%d", uint8(p))
}

// A Rule limits the sockets that it matches. 0 is no limit.
type Rule struct {
	Match    Match
	Per      Per
	Down, Up int64   // bytes a second towards the application, and from it
	Burst    int64   // bytes of either direction that may go at once; default 100 ms of the rate
	Conns    float64 // connections a second that the application begins, with a burst of 100 ms, at least one
	Total    int64   // bytes of both directions together
	Sockets  int     // at once
}

// Config is what the layer does. Several rules may match a socket: all of them hold.
type Config struct {
	Name    string // layers of one name share buckets, those of another version too; default "shape"
	Rules   []Rule
	Buckets int // that are remembered at once; default 4096. Beyond, new keys of a rule share one
	Held    int // connects that wait for a turn, of each key; default 1024. Beyond: ENOBUFS
}

// Defaults and bounds of Config.
const (
	DefaultBuckets = 4096
	DefaultHeld    = 1024
	MaxRules       = 64
)

const maxRate = 1 << 50 // bytes a second; as a float64 exact to the byte

// Validate tells what is wrong with c, nil if nothing.
func (c Config) Validate() error {
	switch {
	case len(c.Rules) > MaxRules:
		return fmt.Errorf("shape: %d rules; at most %d", len(c.Rules), MaxRules)
	case c.Buckets < 0, c.Held < 0:
		return errors.New("shape: a bound is negative")
	}
	seen := make(map[string]int)
	for i, r := range c.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("shape: rule %d (%s): %w", i+1, r.Match, err)
		}
		if at, twice := seen[r.id()]; twice {
			return fmt.Errorf("shape: rules %d and %d are both about %s per %s; write one", at, i+1, r.Match, r.Per)
		}
		seen[r.id()] = i + 1
	}
	return nil
}

func (r Rule) validate() error {
	bytes := []struct {
		word string
		n    int64
	}{{"down", r.Down}, {"up", r.Up}, {"burst", r.Burst}, {"total", r.Total}}
	for _, b := range bytes {
		if b.n < 0 || b.n > maxRate {
			return fmt.Errorf("%s=%d is not from 0 to %d", b.word, b.n, int64(maxRate))
		}
	}
	switch {
	case int(r.Per) >= len(perNames):
		return fmt.Errorf("%v is no key", r.Per)
	case !(r.Conns >= 0 && r.Conns <= 1e6):
		return fmt.Errorf("conns=%g/s is not from 0 to a million", r.Conns)
	case r.Sockets < 0:
		return fmt.Errorf("sockets=%d is negative", r.Sockets)
	case r.Burst > 0 && r.Down == 0 && r.Up == 0:
		return errors.New("burst without down or up limits nothing")
	case r.Down == 0 && r.Up == 0 && r.Conns == 0 && r.Total == 0 && r.Sockets == 0:
		return errors.New("it limits nothing; write down, up, conns, total or sockets")
	case r.Per == PerSocket && r.Sockets > 0:
		return errors.New("sockets per socket limits nothing")
	}
	return r.Match.validate()
}

// id names a rule over versions: parameters may change, the buckets stay.
func (r Rule) id() string { return r.Match.String() + " " + r.Per.String() }

//go:build linux

package daemon

import (
	"log/slog"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
)

// Config is what a daemon is made of besides its file.
type Config struct {
	File    string // read again by Reload
	Version string // of the program
	// Log must not be nil. Level, if it is not nil, is set to what the file says.
	Log   *slog.Logger
	Level *slog.LevelVar
	// Opener makes the devices; it is the caller's, one of StayOpen, and must not be nil.
	Opener *opener.Resident
	// Confine has New take from this process what it does not need to serve, for good.
	// What the kernel does not have for that is logged and in the status; Strict makes it
	// an error. Means are those that hold the Opener.
	Confine, Strict bool
	Means           []confine.Mean
	// Notify is whoever started us; nil is nobody.
	Notify *Notify
}

func (c *Config) level(name string) {
	if c.Level == nil {
		return
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err == nil { // it has been checked
		c.Level.Set(l)
	}
}

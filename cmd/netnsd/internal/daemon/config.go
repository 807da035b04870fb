//go:build linux

package daemon

import (
	"log/slog"
)

// Config is what a daemon is made of besides its file.
type Config struct {
	File    string // read again by Reload
	Version string // of the program
	// Log must not be nil. Level, if it is not nil, is set to what the file says.
	Log   *slog.Logger
	Level *slog.LevelVar
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

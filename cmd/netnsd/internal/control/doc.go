//go:build linux

// Package control is the daemon's control socket.
package control

//go:build linux

// Package lab makes the rooms in which contenders meet: network namespaces, the
// links between them, and the processes inside. Everything carries the pid of
// who made it in its name, everything is gone after Close, and what a killed run
// has left behind is removed by the next one.
package lab

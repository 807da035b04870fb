//go:build linux

// Package chain is where netnsd's chain is written down: which layers, in which
// order, over which base. run, explain and demo use the same, so that what
// explain says is what run does.
//
// It holds no rule and no mechanism of its own; those are the layers'.
package chain

//go:build linux

// Package doctor says whether `netnsd run` can work on this machine, and `netnsd
// daemon` be asked, what it will lack, what of the host a program inside still reaches, and what to do
// about each.
//
// It looks, and makes one throw-away namespace with a device; it changes
// nothing. [Blame] is for a run that has failed: the first finding that explains
// it.
package doctor

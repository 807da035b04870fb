//go:build linux

// Package run is `netnsd run`: one program in a network of its own, for as long
// as it lives.
//
// Order is what makes it safe. The rules are read and the chains built before
// there is a process; the process waits, as the opener, until the stack reads
// its device; only then it may become the program. Whatever fails before that,
// nothing has run.
//
//	network      addresses inside, what resolv.conf says
//	chain.New    the rules, as a catalog            ┐ plane: what carries the bytes
//	plane        session, gateway, stack            ┘
//	opener       namespaces, device, the program
//	job          signals, stops, the terminal
//
// Run is called once, from the goroutine that is locked to the main thread: the
// kernel kills the program when that thread ends.
package run

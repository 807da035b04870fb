//go:build linux

// Package cli is what a user types and sees: commands, flags, exit statuses,
// tables and JSON. It has no knowledge of networks; each command hands a Config
// to the package of its name.
//
// Data goes to stdout, words go to stderr. Exit statuses: 0 done, 1 failed, 2
// used wrongly; of the commands that ask a daemon 3 none listens, 4 no such object, 5
// not permitted; explain --exit-code: 10 denied; policy diff: 1 something changes; bench: 128+n if signal n ended it;
// run: the program's, and its own are 125 (usage too, as 2 is a program's), 126,
// 127 and 128+n.
package cli

//go:build linux

// Package bench runs the harness for `netnsd bench`: it says how long it will
// take, shows how far it is, and puts what was found where the user wants it. How
// to measure is known to the module's package bench, how to show it to its
// package report.
//
// Files are opened before anything is measured, so that a folder that is not
// there is found before the 45 minutes and not after; what they held stays until
// the new content is whole. What an interrupted run has found is shown, and its
// JSON stands beside the file, with .partial behind its name.
package bench

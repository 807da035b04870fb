// Package winsocktest holds the Winsock face of a session to the tables of the
// specification: each row is a named case ([Rows]), run over a [Pair] of sessions
// by [Conform], which counts rows specified, claimed and passing.
//
// The author of a provider runs it as providertest.Conform. Package socketstest
// is its twin for the Go face.
package winsocktest

// Package winsocktest holds the Winsock face of a session to the tables of the
// specification: each row is a named case ([Rows]), run over a [Pair] of sessions
// by [Conform], which counts rows specified, claimed and passing.
//
// A row about the catalog, about layers or about what goes wrong at start builds a
// catalog of its own on the pair's base. What is not a row: what the specification
// calls Windows-only, and 12.10, a list of what stands in other sections.
//
// The author of a provider runs it as providertest.Conform. Package socketstest
// is its twin for the Go face.
package winsocktest

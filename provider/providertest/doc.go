// Package providertest tests providers: a scripted [Base] that records what
// reaches it and answers what a test says, a recording layer, a [Host] that
// remembers reports, and the laws of the chain as tests over them.
//
// The author of a layer runs
//
//	func TestConform(t *testing.T) {
//		providertest.ConformLayer(t, func() provider.Layer { return mylayer.New() })
//	}
//
// which holds the layer to those laws that can be seen from outside: it passes
// errors and buffers, keeps nothing, blocks nowhere, closes once, and allocates
// nothing where it replaces nothing.
//
// The author of a base runs the Winsock suite, every row of the specification's tables
// (package sockets/winsocktest), over two sessions that reach each other:
//
//	func TestConform(t *testing.T) {
//		providertest.Conform(t, func(t *testing.T) providertest.Pair {
//			return providertest.NewPair(t, mybase.New(), mybase.New(), netip.IPv6Loopback(), winsocktest.NeedsUrgent)
//		})
//	}
//
// and the same with layers behind the capabilities, to see that the base is the same
// under a chain. [ConformGroups] is the multicast between a base and another machine.
package providertest

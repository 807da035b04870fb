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
package providertest

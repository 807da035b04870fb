package policy

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Layer is p as a layer of a chain.
func Layer(p *Policy) provider.Decider { return layer{p} }

type layer struct{ *Policy }

// Startup implements provider.Layer: all entries follow from Decide.
func (layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

// Contract implements provider.Contracted.
func (layer) Contract() provider.Contract {
	return provider.Contract{Kind: "policy", Categories: wsa.LSP_FIREWALL}
}

//go:build linux

package chain

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/layer/shadow"
	"github.com/netnsd/netnsd/provider/wsa"
)

// deciding are the layers that decide by rules.
func (c Config) deciding(rules *policy.Policy) ([]named, error) {
	if !c.Shadow {
		return []named{{"policy", policy.Layer(rules)}}, nil
	}
	all := []named{{"policy", shadow.New(policy.Layer(rules))}}
	if c.HostLoopback {
		return all, nil
	}
	deny, err := policy.FromFlags(nil, nil)
	if err == nil {
		deny, err = closed(deny)
	}
	return append(all, named{"loopback", loopback{deny}}), err
}

// layerOf is the first of its type among layers, nil if there is none.
func layerOf[L provider.Layer](layers []named) (none L) {
	for _, l := range layers {
		if is, ok := l.layer.(L); ok {
			return is
		}
	}
	return none
}

// loopback denies what its rules deny and has no other opinion, so that the
// verdict of the shadow above is the one that stays on a socket.
type loopback struct{ rules *policy.Policy }

func (l loopback) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.Deciding(r, next), 0
}

func (l loopback) Decide(f provider.Facts, op provider.Op) provider.Verdict {
	if v := l.rules.Decide(f, op); v.Denied() {
		return v
	}
	return provider.Verdict{}
}

func (l loopback) OnFailure() provider.OnFailure { return provider.FailClosed }

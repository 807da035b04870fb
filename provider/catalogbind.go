package provider

import (
	"fmt"

	"github.com/netnsd/netnsd/provider/wsa"
)

// bind gives each entry its provider; one provider's entries share it.
func (s *Snapshot) bind(find func(string, GUID) (Provider, error)) {
	type key struct {
		path string
		id   GUID
	}
	found := make(map[key]Provider)
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Storeys != nil {
			continue
		}
		k := key{e.Path, e.Info.ProviderID}
		p, known := found[k]
		if !known {
			var err error
			if p, err = find(k.path, k.id); err != nil {
				p = missing{err}
			}
			found[k] = p
		}
		e.provide(p)
	}
}

func (e *Entry) provide(p Provider) {
	why, gone := p.(missing)
	if !gone {
		why = missing{fmt.Errorf("%q is bound to %T", e.Path, p)}
	}
	var ok bool
	if e.Base != nil {
		if e.Base, ok = p.(Base); !ok {
			e.Base = why
		}
		return
	}
	if e.Layer, ok = p.(Layer); !ok {
		e.Layer = missingLayer(why)
	}
}

// missing stands for a base that could not be bound: nothing is built on it.
type missing struct{ err error }

func (missing) Entries() []ProtocolInfo { return nil }

func (m missing) Startup(r *StartupRequest) (ProcTable, wsa.Errno) {
	r.Log.Error("the catalog's provider is not there", "error", m.err)
	return ProcTable{}, wsa.EPROVIDERFAILEDINIT
}

// missingLayer stands for a layer.
type missingLayer missing

func (m missingLayer) Startup(r *StartupRequest, _ *ProcTable) (ProcTable, wsa.Errno) {
	_, e := missing(m).Startup(r)
	return ProcTable{}, e
}

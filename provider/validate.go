package provider

import (
	"fmt"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// validate checks the whole catalog: a mutation that breaks any of it is
// refused, so that no entry is found that cannot be built.
func (s *Snapshot) validate() (wsa.Errno, string) {
	ids := make(map[CatalogID]bool)
	for i := range s.Entries {
		e := &s.Entries[i]
		if ids[e.Info.CatalogEntryID] {
			return wsa.EINVAL, fmt.Sprintf("id %d is used twice", e.Info.CatalogEntryID)
		}
		ids[e.Info.CatalogEntryID] = true
		if length(e.Info.Name) > maxName {
			return wsa.EINVAL, fmt.Sprintf("name of entry %d is longer than %d characters", e.Info.CatalogEntryID, maxName)
		}
	}
	for i := range s.Entries {
		if e, why := s.validateEntry(&s.Entries[i]); e != 0 {
			return e, why
		}
	}
	for _, r := range s.Select {
		if !s.has(r.Chain) {
			return wsa.EINVAL, fmt.Sprintf("selection names chain %q, which is not installed", r.Chain)
		}
	}
	return 0, ""
}

func (s *Snapshot) validateEntry(e *Entry) (wsa.Errno, string) {
	kinds := 0
	for _, is := range []bool{e.Base != nil, e.Layer != nil, e.Storeys != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return wsa.EINVAL, fmt.Sprintf("entry %s must be one of base, layer and chain", &e.Info)
	case e.Storeys != nil:
		return s.validateChain(e)
	}
	return 0, ""
}

// validateChain holds the rules of winsock-spi 1.4: components installed first,
// no layer twice, a base at the end and only there, and the length.
func (s *Snapshot) validateChain(e *Entry) (wsa.Errno, string) {
	if n := len(e.Storeys); n < 2 || n > MaxStoreys {
		return wsa.NO_RECOVERY, fmt.Sprintf("chain %s has %d storeys; 2 to %d are possible", &e.Info, n, MaxStoreys)
	}
	seen := make(map[CatalogID]bool)
	for i, id := range e.Storeys {
		part, ok := s.Entry(id)
		last := i == len(e.Storeys)-1
		switch {
		case !ok:
			return wsa.EINVAL, fmt.Sprintf("chain %s: entry %d is not installed", &e.Info, id)
		case seen[id]:
			return wsa.EINVAL, fmt.Sprintf("chain %s: layer %s stands in it twice", &e.Info, &part.Info)
		case last != (part.Base != nil):
			return wsa.EINVAL, fmt.Sprintf("chain %s: %s at place %d; layers come first and one base last", &e.Info, &part.Info, i)
		}
		seen[id] = true
	}
	if why := s.disorder(e.Storeys); why != "" {
		return wsa.EINVAL, fmt.Sprintf("chain %s: %s", &e.Info, why)
	}
	if !s.stands(e) {
		return wsa.EINVAL, fmt.Sprintf("chain %s does not stand on entry %d as it says", &e.Info, e.Over)
	}
	return 0, ""
}

// stands holds the two forms of a chain to each other, and to what it was put over.
func (s *Snapshot) stands(e *Entry) bool {
	lower, ok := s.Entry(e.Over)
	if !ok || lower.Layer != nil {
		return false
	}
	n := len(e.Storeys) - max(1, len(lower.Storeys))
	if n < 1 {
		return false
	}
	var again Entry
	again.stand(e.Storeys[:n], lower)
	return slices.Equal(again.Storeys, e.Storeys) && slices.Equal(again.Info.Chain.IDs(), e.Info.Chain.IDs())
}

// disorder is that of the layers among storeys.
func (s *Snapshot) disorder(storeys []CatalogID) string {
	var names []string
	var layers []Layer
	for _, id := range storeys {
		if e, ok := s.Entry(id); ok && e.Layer != nil {
			names, layers = append(names, e.Name), append(layers, e.Layer)
		}
	}
	return disorder(names, layers)
}

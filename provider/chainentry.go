package provider

import (
	"fmt"
	"slices"
	"unicode/utf16"

	"github.com/netnsd/netnsd/provider/wsa"
)

// chainEntry follows the recipe of winsock-spi 1.4: copy what is layered over,
// name it, shift its chain down and put the layers before it.
func chainEntry(name string, layers []CatalogID, lower *Entry, mandatory bool) Entry {
	e := Entry{Info: lower.Info, Name: name, Path: name, Mandatory: mandatory}
	e.Info.ProviderID = NewGUID()
	e.Info.Name = cut(fmt.Sprintf("%s over [%s]", name, lower.Info.Name), maxName)
	e.stand(layers, lower)
	return e
}

// stand puts the chain e of layers over lower.
func (e *Entry) stand(layers []CatalogID, lower *Entry) {
	e.Over = lower.Info.CatalogEntryID
	face := append(slices.Clone(layers), lower.Info.CatalogEntryID)
	e.Storeys = slices.Clone(face)
	if lower.Storeys != nil {
		face = append(face, lower.Info.Chain.IDs()[1:]...)
		e.Storeys = append(slices.Clone(layers), lower.Storeys...)
	}
	e.Info.Chain = ProtocolChain{Len: int32(len(face))}
	if len(face) > wsa.MAX_PROTOCOL_CHAIN { // the SDK's face shows the top six and the base
		face = append(slices.Clone(face[:wsa.MAX_PROTOCOL_CHAIN-1]), face[len(face)-1])
		e.Info.Chain.Len = wsa.MAX_PROTOCOL_CHAIN
	}
	copy(e.Info.Chain.Entries[:], face)
}

// upper are the layers that the chain e has over what it was put over, and which
// entry that is.
func (s *Snapshot) upper(e *Entry) (layers []CatalogID, lower *Entry) {
	lower, ok := s.Entry(e.Over)
	if !ok {
		return nil, nil
	}
	return e.Storeys[:len(e.Storeys)-max(1, len(lower.Storeys))], lower
}

// repair builds the chains over the changed one again, and those over these: what
// WSCUpdateProvider leaves to the installer on Windows (winsock-spi 2.4).
func (s *Snapshot) repair(old *Snapshot, changed CatalogID, depth int) {
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Storeys == nil || e.Over != changed || depth == MaxStoreys {
			continue
		}
		was, ok := old.Entry(e.Info.CatalogEntryID)
		if !ok {
			continue
		}
		layers, _ := old.upper(was)
		lower, ok := s.Entry(changed)
		if !ok || layers == nil {
			continue
		}
		e.stand(layers, lower)
		s.repair(old, e.Info.CatalogEntryID, depth+1)
	}
}

// length is how many characters s has in the SDK's UTF-16.
func length(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut is as much of s as has at most n characters.
func cut(s string, n int) string {
	for i, r := range s {
		if n -= utf16.RuneLen(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

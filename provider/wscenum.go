package provider

import (
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// WSCEnumProtocols are the entries of the given protocols, all of them without a
// list, in the order of the catalog: hidden ones and layers' own as well
// (winsock-spi 2.6).
func (s *Snapshot) WSCEnumProtocols(protocols []int32) []ProtocolInfo {
	return s.enum(protocols, func(*Entry) bool { return true })
}

// WSAEnumProtocols is what an application sees of it: bases and chains that are not
// hidden. A hidden entry can be opened nevertheless.
func (s *Snapshot) WSAEnumProtocols(protocols []int32) []ProtocolInfo {
	return s.enum(protocols, func(e *Entry) bool { return e.Layer == nil && e.Info.ProviderFlags&wsa.PFL_HIDDEN == 0 })
}

func (s *Snapshot) enum(protocols []int32, shown func(*Entry) bool) []ProtocolInfo {
	var all []ProtocolInfo
	for i := range s.Entries {
		e := &s.Entries[i]
		if shown(e) && (protocols == nil || slices.Contains(protocols, e.Info.Protocol)) {
			all = append(all, e.Info)
		}
	}
	return all
}

// WSCGetProviderPath is what the provider was installed under: EINVAL for an
// unknown GUID.
func (s *Snapshot) WSCGetProviderPath(id GUID) (string, wsa.Errno) { return s.providerPath(id) }

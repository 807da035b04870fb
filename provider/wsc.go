package provider

import (
	"fmt"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The WSC functions of the SDK (ws2spi.h, sporder.h) over a [Catalog]: what an
// installer on Windows calls. A provider's path is the name that it is installed
// under, and what it is the value given with it, a [Base] or a [Layer]. Each call
// validates the whole catalog and changes all or nothing; errors are
// [*CatalogError] with the SDK's code inside. Running sockets are not touched.
//
// Nobody needs to be administrator: who holds the Catalog may change it. NO_RECOVERY
// is also what a catalog gives that is kept in a file and cannot be written there.

// Provider is what WSCInstallProvider installs: a Base or a Layer. A chain has none
// of its own.
type Provider any

// maxPath is MAX_PATH, maxName WSAPROTOCOL_LEN, in characters.
const (
	maxPath = 260
	maxName = 255
)

// WSCInstallProvider installs entries under one GUID and path, behind all others,
// and returns their ids (winsock-spi 2.2). An entry with a chain of length 0 is a
// layer's own, of length 1 a base's, of more a chain, whose components must be
// installed; p is nil for entries that are chains. EINVAL: no entries, p does not
// fit them, or a chain that cannot be. EFAULT: no list. NO_RECOVERY: the GUID is
// installed.
func (c *Catalog) WSCInstallProvider(id GUID, path string, p Provider, infos []ProtocolInfo) ([]CatalogID, error) {
	var ids []CatalogID
	err := c.mutate("WSCInstallProvider", path, func(s *Snapshot) (wsa.Errno, string) {
		switch {
		case infos == nil:
			return wsa.EFAULT, "no list of entries"
		case len(infos) == 0 || id == GUID{}:
			return wsa.EINVAL, "no entries, or no provider id"
		case path == "" || length(path) > maxPath:
			return wsa.EINVAL, fmt.Sprintf("a path has 1 to %d characters", maxPath)
		case s.installed(id):
			return wsa.NO_RECOVERY, fmt.Sprintf("provider %v is installed", id)
		}
		for _, info := range infos {
			info.ProviderID = id
			e, why := s.entryOf(info, path, p)
			if why != "" {
				return wsa.EINVAL, why
			}
			ids = append(ids, s.add(e))
		}
		return 0, ""
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

func (s *Snapshot) installed(id GUID) bool {
	return slices.ContainsFunc(s.Entries, func(e Entry) bool { return e.Info.ProviderID == id })
}

// entryOf makes a row of the catalog of what an installer has prepared.
func (s *Snapshot) entryOf(info ProtocolInfo, path string, p Provider) (e Entry, why string) {
	e = Entry{Info: info, Name: path, Path: path}
	var ok bool
	switch {
	case info.Chain.Len == wsa.LAYERED_PROTOCOL:
		if e.Layer, ok = p.(Layer); !ok {
			return e, fmt.Sprintf("entry %q of length 0 needs a layer, and this is %T", info.Name, p)
		}
	case info.Chain.Len == wsa.BASE_PROTOCOL:
		if e.Base, ok = p.(Base); !ok {
			return e, fmt.Sprintf("entry %q of length 1 needs a base, and this is %T", info.Name, p)
		}
	case info.Chain.Len > wsa.MAX_PROTOCOL_CHAIN || info.Chain.Len < 0:
		return e, fmt.Sprintf("entry %q: a chain has 2 to %d entries", info.Name, wsa.MAX_PROTOCOL_CHAIN)
	default:
		if e.Storeys, e.Over = s.expand(info.Chain.IDs()); e.Storeys == nil {
			return e, fmt.Sprintf("entry %q: its chain is none of installed layers on an installed base", info.Name)
		}
	}
	return e, ""
}

// expand is a chain as the SDK has it, whose entries after the layer may be a chain
// and that one's tail, as layers and the base, and the entry that the layers are
// over; nil if it is no such (winsock-spi 1.4).
func (s *Snapshot) expand(ids []CatalogID) (storeys []CatalogID, over CatalogID) {
	for i, id := range ids {
		e, ok := s.Entry(id)
		rest := ids[i+1:]
		switch {
		case !ok:
			return nil, 0
		case e.Storeys != nil && slices.Equal(rest, e.Info.Chain.IDs()[1:]):
			return append(storeys, e.Storeys...), id
		case e.Storeys != nil, e.Base != nil && len(rest) > 0, e.Layer != nil && len(rest) == 0:
			return nil, 0
		}
		storeys, over = append(storeys, id), id
	}
	return storeys, over
}

// WSCInstallProviderAndChains installs a layer's own entry and chains of it, and
// puts the chains at the head of the order (winsock-spi 2.3). Without infos there
// is a chain over each base protocol; else over the first entry that matches the
// triple of each, where the layer is not in it already. It returns the id of the
// layer's own entry. Of flags XP1_IFS_HANDLES alone has a meaning: without it the
// chains' entries lose it, too. Selections mean the chains by name.
func (c *Catalog) WSCInstallProviderAndChains(id GUID, path, name string, l Layer, flags uint32, infos []ProtocolInfo) (CatalogID, error) {
	var own CatalogID
	err := c.mutate("WSCInstallProviderAndChains", name, func(s *Snapshot) (wsa.Errno, string) {
		switch {
		case id == GUID{} || l == nil:
			return wsa.EINVAL, "no provider id, or no layer"
		case path == "" || length(path) > maxPath || name == "" || length(name) > maxName:
			return wsa.EINVAL, fmt.Sprintf("a path has 1 to %d characters, a name 1 to %d", maxPath, maxName)
		case infos != nil && len(infos) == 0:
			return wsa.EINVAL, "an empty list"
		case s.installed(id):
			return wsa.EINVAL, fmt.Sprintf("provider %v is installed", id)
		case slices.ContainsFunc(s.Entries, func(e Entry) bool { return e.Layer != nil && e.Info.Name == name }):
			return wsa.EINVAL, fmt.Sprintf("layer %q is installed", name)
		}
		under, e, why := s.under(infos)
		if e != 0 {
			return e, why
		}
		own = s.add(Entry{Name: name, Path: path, Layer: l, Info: ProtocolInfo{
			ProviderID: id, ServiceFlags1: flags & wsa.XP1_IFS_HANDLES, ProviderFlags: wsa.PFL_HIDDEN, Version: 2, Name: name,
		}})
		var chains []CatalogID
		for _, lower := range under {
			over, _ := s.Entry(lower)
			if over.Info.Chain.Len >= wsa.MAX_PROTOCOL_CHAIN {
				return wsa.NO_RECOVERY, fmt.Sprintf("chain %s has %d entries; there is no room for one more", &over.Info, over.Info.Chain.Len)
			}
			e := chainEntry(name, []CatalogID{own}, over, false)
			e.Path = path
			if flags&wsa.XP1_IFS_HANDLES == 0 {
				e.Info.ServiceFlags1 &^= wsa.XP1_IFS_HANDLES
			}
			chains = append(chains, s.add(e))
		}
		s.front(chains)
		return 0, ""
	})
	if err != nil {
		return 0, err
	}
	return own, nil
}

// under are the entries that a layer is put over.
func (s *Snapshot) under(infos []ProtocolInfo) (ids []CatalogID, e wsa.Errno, why string) {
	if infos == nil {
		for _, e := range s.Entries {
			same := func(id CatalogID) bool { o, _ := s.Entry(id); return o.Info.triple() == e.Info.triple() }
			if e.Base != nil && !slices.ContainsFunc(ids, same) {
				ids = append(ids, e.Info.CatalogEntryID)
			}
		}
		if len(ids) == 0 {
			return nil, wsa.NO_RECOVERY, "there is no base provider"
		}
		return ids, 0, ""
	}
	for _, info := range infos {
		i := slices.IndexFunc(s.Entries, func(e Entry) bool { return e.Layer == nil && e.Info.triple() == info.triple() })
		if i < 0 {
			return nil, wsa.EINVAL, fmt.Sprintf("no entry is %s %s %s", wsa.FamilyName(info.AddressFamily), wsa.TypeName(info.SocketType), wsa.ProtocolName(info.Protocol))
		}
		if id := s.Entries[i].Info.CatalogEntryID; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, 0, ""
}

type triple struct{ family, typ, protocol int32 }

func (p *ProtocolInfo) triple() triple { return triple{p.AddressFamily, p.SocketType, p.Protocol} }

// WSCDeinstallProvider removes every entry of the GUID (winsock-spi 2.4). Other
// than on Windows no chain is left that stands on nothing: NO_RECOVERY names the
// first that does, which is to be removed before. EINVAL: no such provider.
func (c *Catalog) WSCDeinstallProvider(id GUID) error {
	return c.mutate("WSCDeinstallProvider", id.String(), func(s *Snapshot) (wsa.Errno, string) {
		if !s.installed(id) {
			return wsa.EINVAL, "no such provider"
		}
		gone := make(map[CatalogID]bool)
		for _, e := range s.Entries {
			gone[e.Info.CatalogEntryID] = e.Info.ProviderID == id
		}
		for _, e := range s.Entries {
			stands := func(part CatalogID) bool { return gone[part] }
			if !gone[e.Info.CatalogEntryID] && (slices.ContainsFunc(e.Storeys, stands) || slices.ContainsFunc(e.Info.Chain.IDs(), stands) || stands(e.Over)) {
				return wsa.NO_RECOVERY, fmt.Sprintf("chain %s stands on it; remove that first", &e.Info)
			}
		}
		s.Entries = slices.DeleteFunc(s.Entries, func(e Entry) bool { return gone[e.Info.CatalogEntryID] })
		return 0, ""
	})
}

// WSCUpdateProvider replaces the entries of the GUID, one by one in their order,
// and keeps their ids (winsock-spi 2.5). Chains that stand on a chain of it are put
// together again. EINVAL: no such provider, another number of entries, or a chain
// that stands on itself.
func (c *Catalog) WSCUpdateProvider(id GUID, path string, p Provider, infos []ProtocolInfo) error {
	return c.mutate("WSCUpdateProvider", path, func(s *Snapshot) (wsa.Errno, string) {
		if infos == nil {
			return wsa.EFAULT, "no list of entries"
		}
		n, old := 0, &Snapshot{Entries: slices.Clone(s.Entries)}
		for i := range s.Entries {
			if s.Entries[i].Info.ProviderID != id {
				continue
			}
			if n == len(infos) {
				return wsa.EINVAL, fmt.Sprintf("the provider has more entries than %d", n)
			}
			info := infos[n]
			info.ProviderID, info.CatalogEntryID = id, s.Entries[i].Info.CatalogEntryID
			if info.Chain.Len > 1 && slices.Contains(info.Chain.IDs(), info.CatalogEntryID) {
				return wsa.EINVAL, fmt.Sprintf("chain %s stands on itself", &info)
			}
			e, why := s.entryOf(info, path, p)
			if why != "" {
				return wsa.EINVAL, why
			}
			was := &s.Entries[i]
			e.Mandatory, e.Categories = was.Mandatory, was.Categories
			if was.Name != was.Path {
				e.Name = was.Name
			}
			s.Entries[i] = e
			n++
		}
		if n == 0 || n < len(infos) {
			return wsa.EINVAL, fmt.Sprintf("the provider has %d entries, not %d", n, len(infos))
		}
		for _, e := range old.Entries {
			if e.Info.ProviderID == id && e.Storeys != nil {
				s.repair(old, e.Info.CatalogEntryID, 0)
			}
		}
		return 0, ""
	})
}

// WSCWriteProviderOrder is [Catalog.Order] (winsock-spi 2.7).
func (c *Catalog) WSCWriteProviderOrder(ids []CatalogID) error { return c.Order(ids) }

// Restore makes the catalog what it was: a state that Snapshot has shown. Ids that
// were given out since are not given out again.
func (c *Catalog) Restore(to *Snapshot) error {
	return c.mutate("restore", "catalog", func(s *Snapshot) (wsa.Errno, string) {
		if to == nil {
			return wsa.EFAULT, "no state to restore"
		}
		s.Entries, s.Select, s.Programs = slices.Clone(to.Entries), slices.Clone(to.Select), slices.Clone(to.Programs)
		s.next = max(s.next, to.next)
		return 0, ""
	})
}

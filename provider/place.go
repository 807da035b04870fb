package provider

// FindPlace is the rule by which a layer finds its place in a chain
// (winsock-spi 5.3): info is the entry it is started for, self its own entry of
// length 0, mine its own chain entries. It returns the entry below, 0 if the
// layer is not in this chain or stands last in it. The builder's [Place.Next]
// is tested against it.
func FindPlace(info *ProtocolInfo, self CatalogID, mine map[CatalogID]*ProtocolInfo) CatalogID {
	if e := mine[info.CatalogEntryID]; e != nil && e.Chain.Len > 1 {
		return e.Chain.Entries[1]
	}
	ids := info.Chain.IDs()
	for j := 0; j+1 < len(ids); j++ {
		if ids[j] == self {
			return ids[j+1]
		}
		if e := mine[ids[j]]; e != nil && e.Chain.Len > 1 {
			return e.Chain.Entries[1]
		}
	}
	return 0
}

// placeOf is where the storey at index stands: in which chain entry, the one that is
// built or an inner one, and what is below it, by the name that the SDK's face has for
// that: an inner chain's own id where one begins, else the layer's or the base's.
func (b *builder) placeOf(index int, storeys []CatalogID) Place {
	p := Place{Index: index, Depth: len(storeys), Self: storeys[index], Entry: b.entry.Info.CatalogEntryID, Next: storeys[index+1]}
	for e, first := b.entry, 0; e != nil; {
		layers, lower := b.snapshot.upper(e)
		last := first + len(layers) - 1
		switch {
		case index > last && lower != nil:
			e, first = lower, last+1
			continue
		case index == last:
			p.Next = e.Over
		}
		p.Entry = e.Info.CatalogEntryID
		return p
	}
	return p
}

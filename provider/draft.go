package provider

import (
	"reflect"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// Draft is a catalog of its own that begins as c is now. What is done to it is
// not seen by anybody until [Catalog.Publish] makes it c's next state, whole: so
// a configuration is replaced by one swap, and one that cannot be built is never
// seen at all.
//
// What is removed from a draft and installed again as it was (the same name, and the
// same Layer, or layers) gets the id back that it had: a configuration may be laid out
// anew from [Catalog.Reset] on, and what is equal in both stays what it was. Sessions
// then keep the chain, too ([Snapshot.Same]), and its sockets are on no old version.
func (c *Catalog) Draft() *Catalog {
	d := new(Catalog)
	d.from = c.Snapshot()
	d.now.Store(d.from)
	return d
}

// Publish makes the draft's state that of c. It fails, and changes nothing, if d
// is no draft of c or c has changed since (EINVAL).
func (c *Catalog) Publish(d *Catalog) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.from == nil || d.from != c.now.Load() && (c.now.Load() != nil || d.from.Generation != 0) {
		return &CatalogError{Op: "publish", Entry: "catalog", Errno: wsa.EINVAL, Reason: "the catalog has changed since the draft was made"}
	}
	return c.settle("publish", "catalog", d.Snapshot())
}

// readopt gives e the id of the equal entry that the draft began with.
func (s *Snapshot) readopt(e *Entry) bool {
	if s.was == nil {
		return false
	}
	for i := range s.was.Entries {
		old := &s.was.Entries[i]
		id := old.Info.CatalogEntryID
		if _, taken := s.Entry(id); taken || !old.sameAs(e) {
			continue
		}
		e.Info.ProviderID, e.Info.CatalogEntryID = old.Info.ProviderID, id
		return true
	}
	return false
}

// sameAs says that e stands for the same as f, whatever their ids and categories.
func (e *Entry) sameAs(f *Entry) bool {
	a, b := e.Info, f.Info
	b.ProviderID, b.CatalogEntryID = a.ProviderID, a.CatalogEntryID
	return a == b && e.Name == f.Name && e.Path == f.Path && e.Over == f.Over && e.Mandatory == f.Mandatory &&
		samePart(e.Base, f.Base) && samePart(e.Layer, f.Layer) && slices.Equal(e.Storeys, f.Storeys)
}

// samePart compares what need not be comparable.
func samePart(a, b any) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && (a == nil || reflect.ValueOf(a).Comparable() && a == b)
}

// Same reports whether entry id is the same in s and t: a chain that was built in one
// is what would be built in the other.
func (s *Snapshot) Same(t *Snapshot, id CatalogID) bool {
	a, ok := s.Entry(id)
	b, there := t.Entry(id)
	if !ok || !there || a.Info.ProviderID != b.Info.ProviderID || !a.sameAs(b) {
		return false
	}
	for _, storey := range a.Storeys {
		if !s.Same(t, storey) {
			return false
		}
	}
	return true
}

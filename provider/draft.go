package provider

import "github.com/netnsd/netnsd/provider/wsa"

// Draft is a catalog of its own that begins as c is now. What is done to it is
// not seen by anybody until [Catalog.Publish] makes it c's next state, whole: so
// a configuration is replaced by one swap, and one that cannot be built is never
// seen at all.
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

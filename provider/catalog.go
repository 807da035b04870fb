package provider

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netnsd/netnsd/provider/wsa"
)

// MaxStoreys is how many providers a chain may have inside, the base included.
// The SDK's face, ProtocolInfo.Chain, holds 7.
const MaxStoreys = 16

// FirstID is the first catalog id that is given out.
const FirstID CatalogID = 1001

// Entry is one row of the catalog.
type Entry struct {
	Info ProtocolInfo
	// Name is what the entry is called: the layer's or chain's name, or the base's.
	// All chain entries of one installation share it, and a Selection means it.
	Name string
	// Path is what WSCGetProviderPath says: what the provider was installed under.
	Path string
	// Categories are what a layer says that it does (wsa.LSP_*); 0 says nothing.
	Categories uint32
	// Over is the entry that a chain was put over: a base or a chain.
	Over CatalogID
	// Mandatory makes a chain the only way to what it covers: the entries below it
	// are not found by Resolve, and naming one is EACCES.
	Mandatory bool

	// One of these three.
	Base    Base
	Layer   Layer
	Storeys []CatalogID // of a chain, fully expanded: layers from the top, then the base
}

// Selection chooses the chain for a request: the first that matches wins. All
// conditions that are set must hold, and a condition on the destination never
// matches a request that has none.
type Selection struct {
	Attachment string   // "" = any
	To         []Prefix // any of them; empty = any
	Ports      []PortRange
	Chain      string // the Name of chain entries
}

// An Application is a program of which is known what layers it permits
// (WSCSetApplicationCategory).
type Application struct {
	Path, Extra string // the program, and arguments that tell it from others of one path
	Permitted   uint32 // wsa.LSP_*
}

// CatalogError says which entry a mutation failed at, and why. It unwraps to
// the code that the WSC function of the SDK would give.
type CatalogError struct {
	Op     string
	Entry  string
	Errno  wsa.Errno
	Reason string
}

func (e *CatalogError) Error() string {
	return fmt.Sprintf("provider: %s %s: %s (%s)", e.Op, e.Entry, e.Reason, e.Errno.Name())
}

func (e *CatalogError) Unwrap() error { return e.Errno }

// Catalog is the ordered list of providers and chains. Order is meaning: it is
// the order of search. A mutation validates the whole and is atomic; whoever
// holds a Snapshot is not touched by it. Safe for concurrent use; the zero
// value is an empty catalog.
type Catalog struct {
	mu   sync.Mutex // serialises mutations
	now  atomic.Pointer[Snapshot]
	from *Snapshot // of a draft: what it began as
	file *file     // of one that is kept in a file

}

// Snapshot is one state of a catalog, immutable.
type Snapshot struct {
	Generation uint64
	Entries    []Entry
	Select     []Selection
	Programs   []Application
	next       CatalogID
	was        *Snapshot // of a draft: what it began as
}

// Snapshot is the catalog as it is now.
func (c *Catalog) Snapshot() *Snapshot {
	if s := c.now.Load(); s != nil {
		return s
	}
	return &Snapshot{next: FirstID}
}

// Entry is the row with the given id.
func (s *Snapshot) Entry(id CatalogID) (*Entry, bool) {
	i := slices.IndexFunc(s.Entries, func(e Entry) bool { return e.Info.CatalogEntryID == id })
	if i < 0 {
		return nil, false
	}
	return &s.Entries[i], true
}

// mutate runs f on a copy and makes the copy the catalog if f and the
// validation of the whole find nothing wrong.
func (c *Catalog) mutate(op, entry string, f func(*Snapshot) (wsa.Errno, string)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.Snapshot()
	s := &Snapshot{
		Generation: old.Generation + 1, Entries: slices.Clone(old.Entries), Select: slices.Clone(old.Select),
		Programs: slices.Clone(old.Programs), next: old.next, was: c.from,
	}
	e, why := f(s)
	s.was = nil // nobody holds all states that ever were
	if e == 0 {
		e, why = s.validate()
	}
	if e != 0 {
		return &CatalogError{Op: op, Entry: entry, Errno: e, Reason: why}
	}
	return c.settle(op, entry, s)
}

// settle makes s the catalog, on disk first if it is kept there.
func (c *Catalog) settle(op, entry string, s *Snapshot) error {
	if c.file != nil {
		if err := c.file.write(s); err != nil {
			return &CatalogError{Op: op, Entry: entry, Errno: c.file.code(op, err), Reason: err.Error()}
		}
	}
	c.now.Store(s)
	return nil
}

func (s *Snapshot) add(e Entry) CatalogID {
	e.Info.CatalogEntryID = s.next
	s.next++
	return s.append(e)
}

func (s *Snapshot) append(e Entry) CatalogID {
	e.Categories = contractOf(e.Layer).Categories
	s.Entries = append(s.Entries, e)
	return e.Info.CatalogEntryID
}

// again adds e, whose GUID is ours to choose, as what it was before in a draft.
func (s *Snapshot) again(e Entry) CatalogID {
	if !s.readopt(&e) {
		return s.add(e)
	}
	return s.append(e)
}

// InstallBase appends the base's entries (WSCInstallProvider) and returns their
// ids. All share one new GUID.
func (c *Catalog) InstallBase(name string, b Base) ([]CatalogID, error) {
	var ids []CatalogID
	err := c.mutate("install base", name, func(s *Snapshot) (wsa.Errno, string) {
		guid := NewGUID()
		for _, info := range b.Entries() {
			info.ProviderID, info.Chain = guid, ProtocolChain{Len: wsa.BASE_PROTOCOL}
			ids = append(ids, s.again(Entry{Info: info, Name: name, Path: name, Base: b}))
		}
		if len(ids) == 0 {
			return wsa.EINVAL, "the base serves no protocol"
		}
		return 0, ""
	})
	return ids, err
}

// InstallLayer appends a layer's own entry, from which chains are made. It
// cannot be opened itself. Its categories are those of its [Contract], if it has one.
func (c *Catalog) InstallLayer(name string, l Layer) (CatalogID, error) {
	var id CatalogID
	err := c.mutate("install layer", name, func(s *Snapshot) (wsa.Errno, string) {
		if l == nil {
			return wsa.EINVAL, "no layer given"
		}
		info := ProtocolInfo{ProviderID: NewGUID(), ProviderFlags: wsa.PFL_HIDDEN, Version: 2, Name: name}
		id = s.again(Entry{Info: info, Name: name, Path: name, Layer: l})
		return 0, ""
	})
	return id, err
}

// InstallChain puts the layers, the first nearest the application, over each of
// the entries named by over (bases or chains), one chain entry each with a GUID
// of its own, and sets these in front of the order, where Resolve finds them
// first. With no over it covers every base entry.
func (c *Catalog) InstallChain(name string, layers []CatalogID, over ...CatalogID) ([]CatalogID, error) {
	return c.installChain(name, layers, over, false)
}

// InstallMandatoryChain is InstallChain, and makes the chain the only way to
// what it covers.
func (c *Catalog) InstallMandatoryChain(name string, layers []CatalogID, over ...CatalogID) ([]CatalogID, error) {
	return c.installChain(name, layers, over, true)
}

func (c *Catalog) installChain(name string, layers, over []CatalogID, mandatory bool) ([]CatalogID, error) {
	var ids []CatalogID
	err := c.mutate("install chain", name, func(s *Snapshot) (wsa.Errno, string) {
		if len(layers) == 0 {
			return wsa.EINVAL, "a chain needs at least one layer"
		}
		if len(over) == 0 {
			for _, e := range s.Entries {
				if e.Base != nil {
					over = append(over, e.Info.CatalogEntryID)
				}
			}
		}
		for _, o := range over {
			lower, ok := s.Entry(o)
			if !ok || lower.Layer != nil {
				return wsa.EINVAL, fmt.Sprintf("entry %d is not a base or a chain", o)
			}
			ids = append(ids, s.again(chainEntry(name, layers, lower, mandatory)))
		}
		s.front(ids)
		return 0, ""
	})
	return ids, err
}

// front moves the entries with these ids before all others, in this order.
func (s *Snapshot) front(ids []CatalogID) {
	rank := func(e Entry) int {
		if i := slices.Index(ids, e.Info.CatalogEntryID); i >= 0 {
			return i
		}
		return len(ids)
	}
	slices.SortStableFunc(s.Entries, func(a, b Entry) int { return rank(a) - rank(b) })
}

// Order sets the order of search (WSCWriteProviderOrder): ids must name every
// entry once.
func (c *Catalog) Order(ids []CatalogID) error {
	return c.mutate("order", "catalog", func(s *Snapshot) (wsa.Errno, string) {
		if len(ids) != len(s.Entries) {
			return wsa.EINVAL, fmt.Sprintf("%d ids for %d entries", len(ids), len(s.Entries))
		}
		seen := make(map[CatalogID]bool)
		for _, id := range ids {
			if _, ok := s.Entry(id); !ok || seen[id] {
				return wsa.EINVAL, fmt.Sprintf("entry %d is unknown or named twice", id)
			}
			seen[id] = true
		}
		s.front(ids)
		return 0, ""
	})
}

// SetSelection replaces the rules that choose a chain.
func (c *Catalog) SetSelection(rules []Selection) error {
	return c.mutate("select", "catalog", func(s *Snapshot) (wsa.Errno, string) {
		s.Select = slices.Clone(rules)
		return 0, ""
	})
}

// Remove deletes an entry. One that a chain stands on is not removed, unless
// cascade says that the chains go with it; one that a selection names is not
// removed at all: what it selects would go another way.
func (c *Catalog) Remove(id CatalogID, cascade bool) error {
	return c.mutate("remove", fmt.Sprint(id), func(s *Snapshot) (wsa.Errno, string) {
		if _, ok := s.Entry(id); !ok {
			return wsa.EINVAL, "no such entry"
		}
		users := func(e Entry) bool {
			return slices.Contains(e.Storeys, id) || slices.Contains(e.Info.Chain.IDs(), id) || e.Over == id
		}
		if !cascade {
			if i := slices.IndexFunc(s.Entries, users); i >= 0 {
				return wsa.NO_RECOVERY, fmt.Sprintf("chain %s stands on it; remove that first, or cascade", &s.Entries[i].Info)
			}
		}
		s.Entries = slices.DeleteFunc(s.Entries, func(e Entry) bool {
			return e.Info.CatalogEntryID == id || users(e)
		})
		return 0, ""
	})
}

// Reset removes all but the bases, what programs permit included.
func (c *Catalog) Reset() error {
	return c.mutate("reset", "catalog", func(s *Snapshot) (wsa.Errno, string) {
		s.Entries = slices.DeleteFunc(s.Entries, func(e Entry) bool { return e.Base == nil })
		slices.SortFunc(s.Entries, func(a, b Entry) int { return int(a.Info.CatalogEntryID) - int(b.Info.CatalogEntryID) })
		s.Select, s.Programs = nil, nil
		return 0, ""
	})
}

func (s *Snapshot) has(chain string) bool {
	return slices.ContainsFunc(s.Entries, func(e Entry) bool { return e.Name == chain && e.Storeys != nil })
}

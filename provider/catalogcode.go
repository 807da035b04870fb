package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

// The catalog's file is JSON, for people to read: what it is, a sum over the rest, and
// the catalog. Providers are in it by path and id.
const catalogFormat = "netnsd catalog 1"

type catalogJSON struct {
	Format  string          `json:"format"`
	SHA256  string          `json:"sha256"` // of catalog without white space
	Catalog json.RawMessage `json:"catalog"`
}

type snapshotJSON struct {
	Generation uint64        `json:"generation"`
	Next       CatalogID     `json:"next_id"`
	Entries    []entryJSON   `json:"entries"`
	Select     []Selection   `json:"select,omitempty"`
	Programs   []Application `json:"programs,omitempty"`
}

type entryJSON struct {
	Kind       string       `json:"kind"` // base, layer, chain
	Name       string       `json:"name"`
	Path       string       `json:"path"`
	Mandatory  bool         `json:"mandatory,omitempty"`
	Categories uint32       `json:"categories,omitempty"`
	Over       CatalogID    `json:"over,omitempty"`
	Storeys    []CatalogID  `json:"storeys,omitempty"`
	Info       ProtocolInfo `json:"info"`
}

func encodeCatalog(s *Snapshot) []byte {
	out := snapshotJSON{Generation: s.Generation, Next: s.next, Select: s.Select, Programs: s.Programs, Entries: make([]entryJSON, len(s.Entries))}
	for i, e := range s.Entries {
		out.Entries[i] = entryJSON{e.kind(), e.Name, e.Path, e.Mandatory, e.Categories, e.Over, e.Storeys, e.Info}
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // there is no type in it that could fail
	}
	sum := sha256.Sum256(body)
	b, err := json.MarshalIndent(catalogJSON{catalogFormat, hex.EncodeToString(sum[:]), body}, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

func (e *Entry) kind() string {
	switch {
	case e.Base != nil:
		return "base"
	case e.Layer != nil:
		return "layer"
	}
	return "chain"
}

// decodeCatalog is total: what it returns is valid, with providers that are missing
// until they are bound.
func decodeCatalog(b []byte) (*Snapshot, error) {
	var outer catalogJSON
	if err := strict(b, &outer); err != nil {
		return nil, err
	}
	if outer.Format != catalogFormat {
		if strings.HasPrefix(outer.Format, "netnsd catalog ") {
			return nil, fmt.Errorf("%w: %q", ErrNewerCatalog, outer.Format)
		}
		return nil, errors.New("is no catalog")
	}
	var body bytes.Buffer
	if err := json.Compact(&body, outer.Catalog); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body.Bytes()); hex.EncodeToString(sum[:]) != outer.SHA256 {
		return nil, errors.New("its sum is not that of its content")
	}
	var in snapshotJSON
	if err := strict(body.Bytes(), &in); err != nil {
		return nil, err
	}
	return in.snapshot()
}

func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind its end")
	}
	return nil
}

func (in *snapshotJSON) snapshot() (*Snapshot, error) {
	s := &Snapshot{Generation: in.Generation, Select: in.Select, Programs: in.Programs, next: max(in.Next, FirstID)}
	for _, e := range in.Entries {
		out := Entry{Info: e.Info, Name: e.Name, Path: e.Path, Mandatory: e.Mandatory, Categories: e.Categories, Over: e.Over}
		switch {
		case e.Info.CatalogEntryID >= s.next:
			return nil, fmt.Errorf("entry %d has an id that is still to be given", e.Info.CatalogEntryID)
		case e.Kind == "base" && e.Info.Chain.Len == wsa.BASE_PROTOCOL:
			out.Base = missing{}
		case e.Kind == "layer" && e.Info.Chain.Len == wsa.LAYERED_PROTOCOL:
			out.Layer = missingLayer{}
		case e.Kind == "chain" && len(e.Storeys) > 0:
			out.Storeys = e.Storeys
		default:
			return nil, fmt.Errorf("entry %d: a %q with a chain of length %d", e.Info.CatalogEntryID, e.Kind, e.Info.Chain.Len)
		}
		s.Entries = append(s.Entries, out)
	}
	if e, why := s.validate(); e != 0 {
		return nil, errors.New(why)
	}
	return s, nil
}

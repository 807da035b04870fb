package provider

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzCatalogFile: whatever a file says, reading it ends, and what is read is valid and
// written as it was read.
func FuzzCatalogFile(f *testing.F) {
	good := encodeCatalog(furnished(f, new(Catalog)).Snapshot())
	f.Add(good)
	f.Add(encodeCatalog(new(Catalog).Snapshot()))
	f.Add([]byte(`{"format":"netnsd catalog 1","sha256":"` + strings.Repeat("0", 64) + `","catalog":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeCatalog(b); err == nil {
			roundTrip(t, s)
		}
		var in snapshotJSON // what a sum would otherwise keep from being looked at
		if err := strict(b, &in); err == nil {
			if s, err := in.snapshot(); err == nil {
				roundTrip(t, s)
			}
		}
	})
}

func roundTrip(t *testing.T, s *Snapshot) {
	again, err := decodeCatalog(encodeCatalog(s))
	if err != nil {
		t.Fatalf("%v, of %+v", err, s)
	}
	if !bytes.Equal(encodeCatalog(again), encodeCatalog(s)) {
		t.Fatalf("%+v became %+v", s, again)
	}
}

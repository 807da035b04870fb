package sockets

import (
	"errors"
	"fmt"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// Resolve is which entry of the catalog a request would open, and why.
func (s *Session) Resolve(r *provider.SocketRequest) (*provider.Entry, provider.Trace, error) {
	e, t, errno := s.resolve(s.cfg.Catalog.Snapshot(), r, 0)
	return e, t, errno.Err()
}

func (s *Session) resolve(now *provider.Snapshot, r *provider.SocketRequest, declined provider.CatalogID) (*provider.Entry, provider.Trace, wsa.Errno) {
	if s.program != nil && r.Application == nil {
		q := *r
		q.Application, r = s.program, &q
	}
	return now.ResolveAfter(r, declined)
}

// Catalog is where the session's chains are chosen from.
func (s *Session) Catalog() *provider.Catalog { return s.cfg.Catalog }

// Generation is the catalog's: what Resolve said holds while it is the same.
func (s *Session) Generation() uint64 { return s.cfg.Catalog.Snapshot().Generation }

// Socket is WSPSocket of the chain that the request resolves to, without
// blocking and without anything above the chain's table: s.Chain().Table is how
// it is used. The caller keeps the laws of package provider, the fourth above
// all, and closes the socket by the table's WSPCloseSocket. A request without an
// Origin gets the session's.
//
// A chain that cannot be built is the answer; no other is tried in its place.
func (s *Session) Socket(r *provider.SocketRequest) (*provider.Socket, error) {
	if r.Origin == nil {
		q := *r
		o := s.origin
		q.Origin, r = &o, &q
	}
	k, err := s.socket(r)
	if err != nil {
		return nil, fmt.Errorf("sockets: open %s %s %s: %w", wsa.FamilyName(r.AF), wsa.TypeName(r.Type), wsa.ProtocolName(r.Protocol), err)
	}
	return k, nil
}

func (s *Session) socket(r *provider.SocketRequest) (*provider.Socket, error) {
	for {
		now := s.cfg.Catalog.Snapshot()
		entry, _, e := s.resolve(now, r, 0)
		if e != 0 {
			return nil, e.Err()
		}
		k, err := s.openOn(now, entry, r)
		for declined(err) { // 2.8 step 6: the next one that matches is asked
			if entry, _, e = s.resolve(now, r, entry.Info.CatalogEntryID); e != 0 {
				return nil, err
			}
			k, err = s.openOn(now, entry, r)
		}
		if !errors.Is(err, wsa.ENETDOWN) || s.cfg.Catalog.Snapshot() == now {
			return k, err
		}
		// The catalog changed in between and the chain was retired: ask again.
	}
}

// declined reports that WSPSocket itself has said EINPROGRESS, and no other error
// that wraps it.
func declined(err error) bool {
	e, ok := err.(wsa.Errno)
	return ok && e == wsa.EINPROGRESS
}

func (s *Session) openOn(now *provider.Snapshot, entry *provider.Entry, asked *provider.SocketRequest) (*provider.Socket, error) {
	q := *asked
	r := &q
	c, err := s.chain(now, entry.Info.CatalogEntryID)
	if err != nil {
		return nil, err
	}
	if r.Info == nil {
		r.Info = &c.Info
	}
	k, e := c.Table.WSPSocket(r)
	return k, e.Err()
}

package provider

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// WSCSetProviderInfo states what the layer installed under id does: info is a DWORD
// of wsa.LSP_* in the machine's byte order (winsock-spi 2.7). It holds for sessions
// that begin later. EINVALIDPROVIDER: no layer has this id. EINVAL: an info that is
// no DWORD, an unknown category, or flags. EFAULT: no info. CALL_NOT_IMPLEMENTED:
// ProviderInfoAudit, as on Windows.
func (c *Catalog) WSCSetProviderInfo(id GUID, what int32, info []byte, flags uint32) error {
	return c.mutate("WSCSetProviderInfo", id.String(), func(s *Snapshot) (wsa.Errno, string) {
		own, e := s.layerOf(id, what)
		switch {
		case e != 0:
			return e, "no such layer or no such information"
		case info == nil:
			return wsa.EFAULT, "no information"
		case len(info) != 4 || flags != 0:
			return wsa.EINVAL, fmt.Sprintf("%d bytes, flags %#x; categories are a DWORD, and there are no flags", len(info), flags)
		}
		categories := binary.NativeEndian.Uint32(info)
		if odd := categories &^ lspAll; odd != 0 {
			return wsa.EINVAL, fmt.Sprintf("%#x is no category", odd)
		}
		own.Categories = categories
		return 0, ""
	})
}

// WSCGetProviderInfo writes what WSCSetProviderInfo has stated and returns its size
// in bytes: with EFAULT the size that is needed. Errors as there.
func (s *Snapshot) WSCGetProviderInfo(id GUID, what int32, info []byte, flags uint32) (n int, e wsa.Errno) {
	own, e := s.layerOf(id, what)
	switch {
	case e != 0:
		return 0, e
	case flags != 0:
		return 0, wsa.EINVAL
	case len(info) < 4:
		return 4, wsa.EFAULT
	}
	binary.NativeEndian.PutUint32(info, own.Categories)
	return 4, 0
}

const lspAll = wsa.LSP_INSPECTOR | wsa.LSP_REDIRECTOR | wsa.LSP_PROXY | wsa.LSP_FIREWALL | wsa.LSP_INBOUND_MODIFY |
	wsa.LSP_OUTBOUND_MODIFY | wsa.LSP_CRYPTO_COMPRESS | wsa.LSP_LOCAL_CACHE | wsa.LSP_SYSTEM

// layerOf is the layer's own entry under id.
func (s *Snapshot) layerOf(id GUID, what int32) (*Entry, wsa.Errno) {
	i := slices.IndexFunc(s.Entries, func(e Entry) bool { return e.Info.ProviderID == id && e.Layer != nil })
	switch {
	case i < 0:
		return nil, wsa.EINVALIDPROVIDER
	case what == wsa.ProviderInfoAudit:
		return nil, wsa.CALL_NOT_IMPLEMENTED
	case what != wsa.ProviderInfoLspCategories:
		return nil, wsa.EINVAL
	}
	return &s.Entries[i], 0
}

// WSCSetApplicationCategory adds to what layers a program permits, and returns what
// it permitted before (winsock-spi 2.7): a program that is named here loads layers
// that say what they do, and of these those all of whose categories it permits. A
// session looks once, when it begins. EINVAL: no path, one too long, or an unknown
// category. Nothing but Reset and Restore takes a permission away.
//
// Layers are left out of a program's sight by this: make a chain mandatory that no
// program may go without. It is then refused, not passed by.
func (c *Catalog) WSCSetApplicationCategory(path, extra string, permitted uint32) (before uint32, err error) {
	err = c.mutate("WSCSetApplicationCategory", path, func(s *Snapshot) (wsa.Errno, string) {
		switch {
		case path == "" || length(path) > maxPath || length(extra) > maxExtra:
			return wsa.EINVAL, fmt.Sprintf("a path has 1 to %d characters, arguments at most %d", maxPath, maxExtra)
		case permitted&^lspAll != 0:
			return wsa.EINVAL, fmt.Sprintf("%#x is no category", permitted&^lspAll)
		}
		if a := s.Application(path, extra); a != nil {
			before = a.Permitted
			a.Permitted |= permitted
			return 0, ""
		}
		if len(s.Programs) == maxPrograms {
			return wsa.ENOBUFS, fmt.Sprintf("%d programs are known; there is no room for more", maxPrograms)
		}
		s.Programs = append(s.Programs, Application{Path: path, Extra: extra, Permitted: permitted})
		return 0, ""
	})
	return before, err
}

const (
	maxExtra    = 32767 // what a command line of Windows may have
	maxPrograms = 1 << 16
)

// Application is what is known of a program: nil for nothing, and it loads every
// layer. Do not change it.
func (s *Snapshot) Application(path, extra string) *Application {
	i := slices.IndexFunc(s.Programs, func(a Application) bool { return a.Path == path && a.Extra == extra })
	if i < 0 {
		return nil
	}
	return &s.Programs[i]
}

// WSCGetApplicationCategory is what a program permits: SERVICE_NOT_FOUND if nothing
// is known of it.
func (s *Snapshot) WSCGetApplicationCategory(path, extra string) (uint32, wsa.Errno) {
	if a := s.Application(path, extra); a != nil {
		return a.Permitted, 0
	}
	return 0, wsa.SERVICE_NOT_FOUND
}

// Loads reports whether a program that permits these categories loads a layer of
// those (winsock-spi 2.7): one that says what it does, nothing that is not
// permitted, and, in a system program, that it is fit for one.
func Loads(permitted, categories uint32) bool {
	return categories != 0 && categories&^permitted == 0 && (permitted&wsa.LSP_SYSTEM == 0 || categories&wsa.LSP_SYSTEM != 0)
}

// barred is the layer of the chain e that a program does not load, nil for none.
func (s *Snapshot) barred(e *Entry, a *Application) *Entry {
	if a == nil || e.Storeys == nil {
		return nil
	}
	for _, id := range e.Storeys {
		if l, ok := s.Entry(id); ok && l.Layer != nil && !Loads(a.Permitted, l.Categories) {
			return l
		}
	}
	return nil
}

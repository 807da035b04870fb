package provider

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/netnsd/netnsd/provider/wsa"
)

// CatalogFile is where a catalog is kept between runs, as Windows keeps its own in
// the registry.
type CatalogFile struct {
	// Path is the file. Beside it stand Path.last, the state before; Path.broken, a
	// file that could not be read, once there was something to put in its place; and
	// for moments Path.new.
	Path string
	// Bind gives the [Base] or [Layer] that was installed under a path and an id; it is
	// asked once for each, and required. What it has none for stays in the catalog, and
	// chains with it fail to start: EPROVIDERFAILEDINIT.
	Bind func(path string, id GUID) (Provider, error)
	// Damaged is told why the file cannot be used when Path.last is used in its place.
	// Nil: Open fails then.
	Damaged func(error)
}

// ErrNewerCatalog is the error of a file that a later version has written.
var ErrNewerCatalog = errors.New("the catalog was written by a later version")

// Open is the catalog of the file; there need not be one. From then on every mutation
// is in the file, whole and synced, before anybody sees it, and one that cannot be
// written fails with NO_RECOVERY and changes nothing: no space, another who is writing
// at this moment (not told on Windows and Solaris), or one who has written since.
// After a crash at any point there is the state before or the one after.
//
// Open fails for a file of a later version, and for one that is broken or missing where
// no good Path.last is; it changes no file.
func (f CatalogFile) Open() (*Catalog, error) { return f.open(osDisk{}) }

func (f CatalogFile) open(d disk) (*Catalog, error) {
	if f.Bind == nil {
		return nil, fmt.Errorf("provider: catalog %s: CatalogFile.Bind is nil; nothing could be started", f.Path)
	}
	at := &file{disk: d, path: f.Path}
	if to, err := filepath.EvalSymlinks(f.Path); err == nil {
		at.path = to
	}
	s, err := at.read()
	if err != nil {
		return nil, fmt.Errorf("provider: catalog: %w", err)
	}
	if at.damage != nil {
		if f.Damaged == nil {
			return nil, fmt.Errorf("provider: catalog: %w; there is a good one in %s.last", at.damage, at.path)
		}
		f.Damaged(fmt.Errorf("provider: catalog: %w; %s.last is used, generation %d", at.damage, at.path, s.Generation))
	}
	s.bind(f.Bind)
	c := &Catalog{file: at}
	c.now.Store(s)
	return c, nil
}

var errWriting = errors.New("another is writing, or it cannot be locked")

// code is the SDK's for a mutation that could not be written.
func (f *file) code(op string, err error) wsa.Errno {
	if errors.Is(err, errWriting) && op == "WSCInstallProviderAndChains" {
		return wsa.EINPROGRESS
	}
	return wsa.NO_RECOVERY
}

// file is a catalog's place on disk.
type file struct {
	disk   disk
	path   string
	seen   [sha256.Size]byte // of what was last read or written there
	damage error             // why it cannot be used; what is there then is kept
}

// read is the file's state, or that of the last good one.
func (f *file) read() (*Snapshot, error) {
	b, err := f.disk.read(f.path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	if !missing {
		f.seen = sha256.Sum256(b)
		s, err := decodeCatalog(b)
		if err == nil || errors.Is(err, ErrNewerCatalog) {
			return s, wrap(f.path, err)
		}
		f.damage = wrap(f.path, err)
	}
	last, err := f.disk.read(f.path + ".last")
	switch {
	case errors.Is(err, fs.ErrNotExist) && missing:
		return &Snapshot{next: FirstID}, nil
	case err != nil:
		return nil, errors.Join(f.damage, err)
	case missing:
		f.damage = fmt.Errorf("%s: is missing", f.path)
	}
	s, err := decodeCatalog(last)
	if err != nil {
		return nil, errors.Join(f.damage, wrap(f.path+".last", err))
	}
	return s, nil
}

func wrap(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", path, err)
}

// write makes s the state on disk: the new file beside the old one first, then the old
// one's copy, and one rename.
func (f *file) write(s *Snapshot) error {
	unlock, err := f.disk.lock(filepath.Dir(f.path))
	if err != nil {
		return fmt.Errorf("%s: %w: %w", f.path, errWriting, err)
	}
	defer unlock()
	old, err := f.disk.read(f.path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return err
	case !missing && sha256.Sum256(old) != f.seen:
		return fmt.Errorf("%s: another has written it since it was read; open it again", f.path)
	}
	b := encodeCatalog(s)
	fresh := f.path + ".new"
	if err := f.disk.write(fresh, b); err != nil {
		f.disk.remove(fresh)
		return err
	}
	if err := f.replace(fresh, old, missing); err != nil {
		f.disk.remove(fresh)
		return err
	}
	f.seen, f.damage = sha256.Sum256(b), nil
	return f.disk.syncDir(filepath.Dir(f.path))
}

func (f *file) replace(fresh string, old []byte, missing bool) (err error) {
	switch {
	case missing:
	case f.damage != nil:
		err = f.disk.rename(f.path, f.path+".broken")
	default:
		err = f.keep(old)
	}
	if err != nil {
		return err
	}
	return f.disk.rename(fresh, f.path)
}

// keep makes old, a good state, the last one: by a link, which wants no space, or a
// copy where the file system has no links.
func (f *file) keep(old []byte) error {
	fresh := f.path + ".last.new"
	f.disk.remove(fresh)
	err := f.disk.link(f.path, fresh)
	if err != nil {
		err = f.disk.write(fresh, old)
	}
	if err == nil {
		err = f.disk.rename(fresh, f.path+".last")
	}
	if err != nil {
		f.disk.remove(fresh)
	}
	return err
}

//go:build linux

package daemon

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
)

// confine takes from the process what it does not need, and writes down what could not
// be taken.
func (d *Daemon) confine(c *config.Config) error {
	_, _ = x509.SystemCertPool() // read once, also from where $SSL_CERT_FILE says
	for _, m := range append(d.cfg.Means, confine.Self(needs(d.cfg.File, c))...) {
		d.log.Debug("held", "mean", m.String())
		switch {
		case m.Missing == "":
		case d.cfg.Strict:
			return fmt.Errorf("--strict: nothing holds %s: %s", m.Against, m.Missing)
		default:
			d.log.Warn("nothing holds "+m.Against, "why", m.Missing)
			d.missing = append(d.missing, m.Against+": "+m.Missing)
		}
	}
	return nil
}

// needs is what the daemon does while it serves that takes a right. Which ports will be
// published nobody knows yet.
func needs(file string, c *config.Config) confine.Config {
	n := confine.Config{Bind: true, Alone: true, Read: folders(file), Remove: folders(c.Daemon.Socket)}
	for _, l := range c.Catalog.Layers {
		switch {
		case l.File == "" || l.File == "-":
		case l.Type == config.LayerAudit, l.Type == config.LayerTrace:
			n.Append = append(n.Append, appends(l.File)...)
		default:
			n.Read = append(n.Read, folders(l.File)...)
		}
	}
	return n
}

// appends is what an audit is written to: a file of its folder, which may go and come,
// or what is there and is no file.
func appends(file string) []string {
	if confine.Folder(file) == "" {
		return []string{file}
	}
	return folders(file)
}

// folders are those in which a file is, and is replaced: of its name, and of what that
// is a link to.
func folders(file string) (all []string) {
	if path, err := filepath.Abs(file); err == nil {
		all = append(all, filepath.Dir(path))
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		if path, err := filepath.Abs(real); err == nil && filepath.Dir(path) != all[0] {
			all = append(all, filepath.Dir(path))
		}
	}
	return all
}

// beyond says of a file that could not be opened that this may be why. Positions in a
// file keep no errno.
func (d *Daemon) beyond(err error) error {
	if !d.cfg.Confine || !strings.Contains(err.Error(), unix.EACCES.Error()) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, errBeyond)
}

var errBeyond = errors.New("since it started netnsd opens files without privileges, and only in the folders that the configuration named then: restart it to have others")

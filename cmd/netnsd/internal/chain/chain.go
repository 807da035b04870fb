//go:build linux

package chain

import (
	"errors"
	"io"
	"log/slog"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/base"
	"github.com/netnsd/netnsd/provider/host"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/layer/learn"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/provider/layer/shadow"
	"github.com/netnsd/netnsd/sockets"
)

// Attachment is the name of a run's network in rules and audit, Name that of
// its chain in the catalog, and SNI that of the layer which reads ClientHellos.
const (
	Attachment = "run"
	Name       = "run"
	SNI        = "sni"
)

// Config is what a user says about the chain.
type Config struct {
	Allow, Deny []string // --allow, --deny
	Policy      string   // --policy: a file
	// PrivateNames lets names that are allowed stand for private addresses.
	PrivateNames bool
	Audit        string    // --audit: a file, - is AuditTo, "" is none
	AuditTo      io.Writer // default os.Stderr
	// Shape and Redirect are rules of these layers, as their packages read them.
	Shape, Redirect []string // --shape, --redirect
	// Trace is where a line for each operation goes: --trace; a file, - is AuditTo, ""
	// is none.
	Trace string
	// Metrics has totals kept: [Chain.Metrics].
	Metrics bool // --metrics
	// Learn is told what the program reaches; nil is nobody.
	Learn *learn.Layer
	// Shadow has the rules tried and not obeyed; [Chain.Shadow] counts.
	Shadow bool
	// HostLoopback lets the program reach the host's loopback, under the gateway's
	// addresses.
	HostLoopback bool
}

// Restricts says that there are rules.
func (c Config) Restricts() bool { return len(c.Allow) > 0 || len(c.Deny) > 0 || c.Policy != "" }

// Identifies says that a layer may ask for the process that holds a socket: audit and
// metrics do, and the rules of a file can; those of the flags cannot.
func (c Config) Identifies() bool { return c.Audit != "" || c.Policy != "" || c.Metrics }

// A Chain is a catalog with one chain, over everything that the host can open.
type Chain struct {
	Catalog *provider.Catalog
	Audit   *audit.Layer   // nil if there is none
	Shadow  *shadow.Layer  // nil: the rules are obeyed
	Metrics *metrics.Layer // nil if there are none
	host    *host.Host
}

// New reads the rules and lays the chain out:
//
//	trace     shows what the program does, and what it is told
//	audit     sees all and changes nothing, so it stands above those that decide: what is denied below it is written down too
//	learn     sees what policy below it lets pass, if it was asked for
//	policy    decides; as a shadow it only says what it would
//	loopback  under a shadow: denies the host's loopback all the same
//	sni       with rules by name, and for learn: has policy decide on the server name of a ClientHello, too
//	shape     limits what policy lets pass
//	redirect  leads elsewhere what was allowed, under the names and addresses that were asked for
//	host      the sockets of this machine
//
// The chain is mandatory: no socket is made around it.
func New(c Config) (*Chain, error) {
	layers, a, err := c.layers()
	if err != nil {
		return nil, err
	}
	h, err := host.New(host.Config{})
	if err != nil {
		return nil, err
	}
	k := &Chain{Catalog: new(provider.Catalog), Audit: a, Shadow: layerOf[*shadow.Layer](layers), Metrics: layerOf[*metrics.Layer](layers), host: h}
	if err := k.install(layers); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return k, nil
}

func (k *Chain) install(layers []named) error {
	bases, err := k.Catalog.InstallBase("host", base.New(base.Config{Driver: k.host, Name: "host"}))
	if err != nil {
		return err
	}
	var ids []provider.CatalogID
	for _, l := range layers {
		id, err := k.Catalog.InstallLayer(l.name, l.layer)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	_, err = k.Catalog.InstallMandatoryChain(Name, ids, bases...)
	return err
}

// Startup begins a session and builds the chain over every base, so that a
// layer that cannot start is known before the first socket.
func (k *Chain) Startup(log *slog.Logger) (*sockets.Session, error) {
	s, err := sockets.Startup(sockets.Config{Catalog: k.Catalog, Log: log})
	if err != nil {
		return nil, err
	}
	for _, e := range k.Catalog.Snapshot().Entries {
		if e.Storeys == nil {
			continue
		}
		if _, err := s.Chain(e.Info.CatalogEntryID); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close ends the base; sessions are closed first.
func (k *Chain) Close() error { return k.host.Close() }

//go:build linux

package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/confine"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/doctor"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	dataplane "github.com/netnsd/netnsd/cmd/netnsd/internal/plane"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/publish"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// Exit statuses of env(1) and of shells.
const (
	ExitOurs      = 125 // netnsd failed; nothing has run, or it was ended
	ExitNotExec   = 126 // the program cannot be executed
	ExitNotFound  = 127 // there is no such program
	ExitSignalled = 128 // plus the number of the signal that ended the program
)

// MTU limits: below 1280 there is no IPv6, above 65520 a packet does not fit
// the vnet header's 16 bits with its Ethernet header.
const (
	DefaultMTU = 1500
	minMTU     = 1280
	maxMTU     = 65520
)

// Config is what a run is made of.
type Config struct {
	// Chain holds the rules and the audit.
	Chain chain.Config
	// Nets are the networks of the link, at most one a family. Default: [Nets].
	Nets []netip.Prefix
	// MTU of the link in bytes. Default 1500.
	MTU int
	// DNS says whom the name service asks, and which names it knows itself. Default:
	// the servers of the host's /etc/resolv.conf, and its /etc/hosts. Search are the
	// domains that the program's resolver tries; default: the host's. NoDNS gives the
	// program no name service.
	DNS    dns.Config
	Search []string
	NoDNS  bool
	// Publish are ports of this host that lead to the program.
	Publish []publish.Spec
	// UDPPerFlow gives each flow of datagrams a port of its own: gateway.Config has it.
	UDPPerFlow bool
	// KeepFDs are descriptors that the program gets besides 0, 1 and 2, or those of
	// them that it gets although they are sockets. KeepSockets are paths of unix
	// sockets that it sees although there are rules.
	KeepFDs     []int
	KeepSockets []string
	// Strict refuses to run where something that holds the program cannot be had.
	Strict bool
	// Learn is the file that is replaced by a policy of what the program was seen to
	// need, once it has ended; "" is none.
	Learn string
	// Metrics is where totals by rule, name and process go when the program has ended: a
	// file for JSON, - is a table on stderr, "" is nowhere.
	Metrics string
	// Argv is the program and its arguments.
	Argv []string
	// Log must not be nil.
	Log *slog.Logger
}

// Run runs the program and returns the exit status of netnsd: the program's, or
// one of the constants with the reason. It returns when the program has ended
// and nothing of the run is left.
func Run(ctx context.Context, cfg Config) (status int, err error) {
	runtime.LockOSThread() // never undone: the program lives as long as this thread
	if len(cfg.Argv) == 0 {
		return ExitOurs, errors.New("no program given")
	}
	n, resolvConf, err := prepare(&cfg)
	if err == nil {
		err = cfg.descriptors()
	}
	if err != nil {
		return ExitOurs, err
	}
	file, err := opener.Lookup(cfg.Argv[0], os.Getenv("PATH"))
	if err != nil {
		return execStatus(err), err
	}
	sums, err := openTotals(cfg.Metrics)
	if err != nil {
		return ExitOurs, err
	}
	defer sums.close()
	lesson, err := cfg.learn()
	if err != nil {
		return ExitOurs, err
	}
	var p *plane
	defer func() { // after the plane: then every connection has ended
		if e := lesson.end(p != nil && p.ran); e != nil {
			cfg.Log.Error("--learn", "error", e)
		}
	}()
	dataplane.LimitMemory()
	defer gateway.Pace()() // before the stack, which takes its measure from it
	p, err = newPlane(cfg, n)
	if err != nil {
		return ExitOurs, err
	}
	p.needs = cfg.needs()
	defer func() {
		if e := p.close(); e != nil { // an audit that is not complete
			if cfg.Strict && err == nil {
				status, err = ExitOurs, fmt.Errorf("--strict: the program ended with %d, but %w", status, e)
			} else {
				cfg.Log.Error("the run has ended", "error", e)
			}
		}
		p.sayShadow()
		if e := p.sayTotals(sums); e != nil {
			cfg.Log.Error("the run has ended", "error", e)
		}
	}()
	return p.run(ctx, cfg.Argv, opener.Request{
		Program: file, Device: dataplane.DeviceName, MTU: cfg.MTU,
		Addrs: n.program, Gateways: n.gateway, ResolvConf: resolvConf,
		KeepFDs: cfg.above(), Confine: cfg.Chain.Restricts(), KeepSockets: cfg.KeepSockets,
	}, cfg.Strict)
}

// prepare completes cfg and lays the network out.
func prepare(cfg *Config) (n network, resolvConf string, err error) {
	if cfg.MTU == 0 {
		cfg.MTU = DefaultMTU
	}
	if cfg.MTU < minMTU || cfg.MTU > maxMTU {
		return n, "", fmt.Errorf("--mtu %d: has to be %d to %d", cfg.MTU, minMTU, maxMTU)
	}
	if n, err = layout(cfg.Nets); err != nil {
		return n, "", err
	}
	host, err := readResolver("/etc/resolv.conf")
	if err != nil && !cfg.NoDNS && len(cfg.DNS.Upstreams) == 0 {
		return n, "", fmt.Errorf("%w: name the server with --dns ADDR", err)
	}
	cfg.DNS = dataplane.Names(cfg.DNS, cfg.Log)
	return n, n.resolvConf(searching(host.Keep, cfg.Search), cfg.NoDNS), nil
}

// run starts the program on the plane and waits for its end.
func (p *plane) run(ctx context.Context, argv []string, r opener.Request, strict bool) (status int, err error) {
	j := newJob()
	hold()
	killed := false
	defer func() { j.close(killed) }()
	child, err := opener.Start(r, argv)
	if err != nil {
		return ExitOurs, explained(err)
	}
	defer child.Close()
	j.relay(child)
	means, err := p.stay() // while the other sets everything up
	if err != nil {
		return ExitOurs, err
	}
	if status, err := p.start(child, argv, r, means, strict); err != nil {
		return status, err
	}
	unwatch := p.watch(child)
	end, err := j.wait(child)
	lost := unwatch()
	switch {
	case err != nil:
		return ExitOurs, err
	case lost:
		return ExitOurs, fmt.Errorf("the network device was deleted, so the program was ended: %w", p.NIC.Err())
	}
	p.unpublish()
	p.drainUnlessTold(ctx)
	if killed = end.Signaled(); killed {
		return ExitSignalled + int(end.Signal()), nil
	}
	return end.ExitStatus(), nil
}

// start lets the program run when its network does.
func (p *plane) start(child *opener.Child, argv []string, r opener.Request, means []confine.Mean, strict bool) (int, error) {
	setup, fds, err := child.Setup()
	if errors.Is(err, io.EOF) { // by the user's ^C, or by the kernel
		end, err := child.Wait()
		if err == nil && end.Signaled() {
			return ExitSignalled + int(end.Signal()), fmt.Errorf("ended before the program ran: %v", end.Signal())
		}
		return ExitOurs, errors.New("the opener ended before the program ran")
	}
	if err != nil {
		return ExitOurs, explained(err)
	}
	for _, w := range setup.Warnings {
		p.log.Warn(w)
	}
	if err := errors.Join(p.identify(child, setup, fds.Diag), p.Adopt(fds.TUN, r.MTU)); err != nil {
		return ExitOurs, err
	}
	means = append(means, confine.Self(p.needs)...) // the device is open, and all processes are started
	if err := p.held(append(setup.Means, means...), argv, strict); err != nil {
		return ExitOurs, err
	}
	if err := p.publish(setup.Addrs); err != nil {
		return ExitOurs, err
	}
	if err := child.Exec(); err != nil {
		return execStatus(err), err
	}
	p.ran = true
	return 0, nil
}

// held writes down what holds the program, and complains of what does not.
func (p *plane) held(means []opener.Mean, argv []string, strict bool) error {
	var held []audit.Held
	for _, m := range means {
		p.log.Debug("held", "mean", m.String())
		held = append(held, audit.Held(m))
		switch {
		case m.Missing == "":
		case strict:
			return fmt.Errorf("--strict: nothing holds %s: %s", m.Against, m.Missing)
		default:
			p.log.Warn("nothing holds "+m.Against, "why", m.Missing)
		}
	}
	if p.chain.Audit != nil {
		p.chain.Audit.Start(chain.Attachment, argv, held)
	}
	return nil
}

// watch ends the program when its device is gone: a run without network is not
// what was asked for. The function returned ends the watching and reports
// whether that has happened.
func (p *plane) watch(child *opener.Child) (unwatch func() bool) {
	var lost atomic.Bool
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-p.Lost():
			lost.Store(true)
			_ = child.Signal(syscall.SIGKILL)
		case <-stop:
		}
	}()
	return func() bool {
		close(stop)
		<-stopped
		return lost.Load()
	}
}

// explained adds what on this machine keeps the opener from working.
func explained(err error) error {
	if why := doctor.Blame(err); why != "" {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}

// execStatus tells apart what shells tell apart.
func execStatus(err error) int {
	var e *opener.Error
	switch {
	case errors.As(err, &e) && !e.Exec:
		return ExitOurs
	case errors.Is(err, fs.ErrNotExist):
		return ExitNotFound
	}
	return ExitNotExec
}

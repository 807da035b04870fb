//go:build linux

package daemon

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/opener"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/plane"
	"github.com/netnsd/netnsd/sockets/gateway"
)

// Serve is the whole life of the program: it serves what file says until SIGTERM
// or SIGINT, and reads the file again on SIGHUP. It returns when all has ended.
func Serve(cfg Config, file *config.Config) (err error) {
	signals := make(chan os.Signal, 8) // from the beginning: none may end us half made
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer signal.Stop(signals)
	broken := make(chan os.Signal, 1) // who reads our log may end, and takes nothing with him
	signal.Notify(broken, unix.SIGPIPE)
	defer signal.Stop(broken)
	resident, means, err := opener.StayOpen() // the first, with nothing of ours
	if err != nil {
		return err
	}
	defer resident.Close()
	cfg.Opener, cfg.Means, cfg.Confine = resident, means, true
	plane.LimitMemory()
	defer gateway.Pace()() // before the first stack, which takes its measure from it
	doors, err := openDoors(file.Daemon, cfg.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, doors.close()) }()
	d, err := New(cfg, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	doors.serve(d)
	if err := cfg.Notify.ready(); err != nil {
		cfg.Log.Warn("nobody was told that we are ready", "error", err)
	}
	d.say()
	if err := d.obey(signals); err != nil {
		return err
	}
	cfg.Notify.stopping()
	d.linger(signals)
	return doors.close() // before the daemon that they ask
}

// obey reloads until a signal wants the end. The opener's end is ours: a namespace
// would come or lose its routes, and nobody would serve it.
func (d *Daemon) obey(signals <-chan os.Signal) error {
	for {
		select {
		case s := <-signals:
			if s != unix.SIGHUP {
				return nil
			}
			if _, err := d.Reload(context.Background(), control.ReloadQuery{}); err == nil {
				d.say()
			}
		case <-d.cfg.Opener.Ended():
			return errors.New("the opener has ended, so nothing can be served any more")
		}
	}
}

// say gives a line to whoever asks systemctl.
func (d *Daemon) say() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg.Notify.status("configuration %d, %d attachments", d.generation, len(d.attachments))
}

// linger drains, as long as the file says, or until another signal wants the end.
func (d *Daemon) linger(signals <-chan os.Signal) {
	d.mu.Lock()
	most := time.Duration(d.now.Daemon.Drain)
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with linger
		for {
			select {
			case s := <-signals:
				if s != unix.SIGHUP {
					cancel()
				}
			case <-d.cfg.Opener.Ended():
				cancel()
				return
			case <-ended:
				return
			}
		}
	}()
	d.log.Info("ending", "drain", most.String())
	if left := d.Drain(ctx); left > 0 {
		d.log.Warn("connections are reset", "open", left)
	}
}

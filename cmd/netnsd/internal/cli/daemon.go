//go:build linux

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/daemon"
)

// defaultConfig is where the daemon's file is if nobody says otherwise.
const defaultConfig = "/etc/netnsd/netnsd.yaml"

func newDaemon() *cobra.Command {
	var (
		file   string
		ready  int
		check  bool
		strict bool
	)
	cmd := &cobra.Command{
		Use:   "daemon [flags]",
		Short: "Serve network namespaces, many at once",
		Long: `Serve the network namespaces that the configuration names: each gets a device whose
other end is a userspace TCP/IP stack, and every socket of the programs in it is
made through the chain that the configuration chooses. It runs in the foreground.

SIGHUP reads the file again: what is new in it is put in force as a whole, and
flows that it denies are reset; a file that is not right changes nothing. SIGTERM
and SIGINT let connections end for as long as daemon.drain says and begin none; a
second one resets them at once.

A namespace that is not there yet is served when it comes, and one that was deleted
when it is made anew. Its name service is host 3 of its network: write
"nameserver 10.0.2.3" to /etc/netns/NAME/resolv.conf, which ip netns exec NAME
reads. A device with persist: true outlives the daemon, however that ended, and is
taken over by the next.

The process that carries traffic gives up root's privileges before it begins, but for
ports below 1024; a second one, the opener, makes the devices, and each ends with the
other. Files are opened without privileges from then on: policies are read and audits
written in the folders that the file names at the start, so a reload that names
another is refused until a restart. Give audits a folder of their own. What the kernel
does not have for that is logged and in the status; with --strict it is an error.

Messages go to stderr, as text on a terminal and as JSON elsewhere (daemon.log).
Under systemd it is Type=notify. Exit status: 0 ended by a signal; 1 failed; 2 used
wrongly, or the file is not right.`,
		Example: `  netnsd daemon --config netnsd.yaml
  netnsd daemon --config netnsd.yaml --check`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", defaultConfig, "the configuration, a YAML `FILE`")
	f.IntVar(&ready, "ready-fd", 0, "when all is served, write a newline to descriptor `N` and close it")
	f.BoolVar(&strict, "strict", false, "do not run where something that holds netnsd itself cannot be had")
	f.BoolVar(&check, "check", false, "read and check the file, and exit")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if ready != 0 && ready < 3 {
			return usage(fmt.Errorf("--ready-fd %d: has to be 3 or more", ready))
		}
		file, err := filepath.Abs(file) // as status shows it to who is elsewhere
		if err != nil {
			return usage(err)
		}
		c, err := config.Load(file)
		if errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
			err = fmt.Errorf("%w: name the configuration with --config FILE; `netnsd help config` has the smallest", err)
		}
		if err != nil {
			return usage(err)
		}
		if check {
			return nil
		}
		level := new(slog.LevelVar)
		cfg := daemon.Config{File: file, Version: readVersions().Version, Log: daemonLog(os.Stderr, c.Daemon.Log.Format, level), Level: level, Strict: strict}
		if cfg.Notify, err = daemon.NewNotify(ready); err != nil {
			return usage(err)
		}
		if err := daemon.Serve(cfg, c); err != nil {
			return &exit{exitFailed, err}
		}
		return nil
	}
	return cmd
}

// daemonLog writes text on a terminal, where format is auto, and JSON elsewhere.
func daemonLog(w io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	f, ok := w.(*os.File)
	if format == "text" || format == "auto" && ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

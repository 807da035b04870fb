//go:build linux

package contender

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/bench/internal/lab"
	"github.com/netnsd/netnsd/bench/internal/subject"
	"github.com/netnsd/netnsd/bench/report"
)

// A Contender can be set up on a Stage.
type Contender struct {
	report.Contender
	// Missing says why it cannot: "not installed".
	Missing string

	start func(context.Context, *Stage, *Running) error
}

// tools are other people's programs, by kind.
var tools = map[string]struct {
	title, program, install string
	mtu                     int
	start                   func(path string) func(context.Context, *Stage, *Running) error
}{
	"pasta":       {"pasta", "pasta", "apt-get install passt", 65520, pasta},
	"slirp4netns": {"slirp4netns", "slirp4netns", "apt-get install slirp4netns", 65520, slirp},
	"tun2socks":   {"tun2socks", "tun2socks", "give it as tun2socks=PATH", 1500, tun2socks},
}

// Kinds of other people's programs.
func Kinds() []string { return slices.Sorted(maps.Keys(tools)) }

// Kind is the name up to its first dash.
func Kind(name string) string {
	kind, _, _ := strings.Cut(name, "-")
	return kind
}

// Tool is the contender of that name. path is its program; "" is the one in
// $PATH, which may be missing.
func Tool(name, path string) (Contender, error) {
	t, ok := tools[Kind(name)]
	if !ok {
		return Contender{}, fmt.Errorf("bench: %s: not a contender that is known: the name begins with %s", name, strings.Join(Kinds(), ", "))
	}
	c := Contender{Contender: report.Contender{Name: name, MTU: t.mtu}}
	found, err := exec.LookPath(cmp.Or(path, t.program))
	switch {
	case err == nil:
		if found, err = filepath.Abs(found); err != nil {
			return c, err
		}
		c.Path, c.Version = found, version(found, t.program)
		c.start = t.start(found)
	case path != "":
		return c, fmt.Errorf("bench: %s: %w", name, err)
	default:
		c.Missing = fmt.Sprintf("%s is not installed: %s", t.program, t.install)
	}
	c.Title = strings.TrimSpace(name + " " + c.Version)
	return c, nil
}

// version is what the program says of itself, or else what Debian says.
func version(path, program string) string {
	for _, args := range [][]string{{"--version"}, {"-version"}} {
		out, err := exec.Command(path, args...).Output()
		line, _, _ := strings.Cut(string(out), "\n")
		line = strings.TrimPrefix(strings.Trim(strings.TrimPrefix(line, program), " -"), "version ")
		if err == nil && line != "" && !strings.Contains(line, "unknown") {
			return line
		}
	}
	if out, err := exec.Command("dpkg-query", "-S", path).Output(); err == nil {
		pkg, _, _ := strings.Cut(string(out), ":")
		if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", pkg).Output(); err == nil {
			return string(out)
		}
	}
	return ""
}

// Veth is the limit: two kernels, MTU 1500.
func Veth() Contender {
	return Contender{
		Contender: report.Contender{Name: "veth", Title: "kernel, veth", MTU: mtu},
		start: func(ctx context.Context, s *Stage, r *Running) error {
			if err := s.client(r); err != nil {
				return err
			}
			name := fmt.Sprint("veth", s.next)
			if err := lab.Veth(r.Client, s.Host, name, mtu, vethClient, vethHost); err != nil {
				return err
			}
			r.Published = vethClient.Addr()
			return lab.DefaultRoute(r.Client, name, vethHost.Addr())
		},
	}
}

// Loopback is one kernel talking to itself.
func Loopback() Contender {
	return Contender{
		Contender: report.Contender{Name: "loopback", Title: "kernel, loopback", MTU: 65536},
		start: func(_ context.Context, s *Stage, r *Running) error {
			r.Client = s.Host
			return nil
		},
	}
}

// Ours is netnsd, or its naive variant, as spec says; what depends on the stage
// is filled in, Beside too if it is not "".
func Ours(name, title string, spec subject.Spec) Contender {
	spec.MTU = cmp.Or(spec.MTU, mtu)
	chain := subject.Chains()[spec.Chain]
	return Contender{
		Contender: report.Contender{Name: name, Title: title, Mode: spec.Mode, Chain: chain, MTU: spec.MTU},
		start: func(ctx context.Context, s *Stage, r *Running) (err error) {
			if err := s.client(r); err != nil {
				return err
			}
			spec := spec
			spec.Host, spec.Netns = host, r.Client.Path
			if spec.Beside != "" {
				if err := s.beside(r); err != nil {
					return err
				}
				spec.Beside = r.Beside.Path
			}
			if spec.Mode == subject.Sockets {
				spec.Page = filepath.Join(s.Lab.Dir, fmt.Sprint("page", s.next))
				r.Target.Page = spec.Page
			} else {
				r.Target.DNS = netip.AddrPortFrom(subject.Names, 53)
				if err := s.publish(r); err != nil {
					return err
				}
				spec.Publish = r.Published
			}
			spec.Audit = filepath.Join(s.Lab.Dir, fmt.Sprint("audit", s.next))
			if s.Profile != "" {
				spec.Profile = filepath.Join(s.Profile, fmt.Sprintf("%s-%d-%d.pprof", name, os.Getpid(), s.next))
			}
			if r.child, err = s.Lab.StartChild(ctx, s.Host, PartOurs, spec); err == nil {
				r.proc = r.child.Process
			}
			return err
		},
	}
}

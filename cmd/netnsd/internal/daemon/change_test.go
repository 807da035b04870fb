//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
)

// held is a port of the host that somebody else has, at an address of loopback at which
// no other program looks for one.
func held(t *testing.T) (l net.Listener, port config.Publish) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, published(t, l.Addr().String())
}

// free is a port that nobody has.
func free(t *testing.T) config.Publish {
	t.Helper()
	l, port := held(t)
	l.Close()
	return port
}

func published(t *testing.T, listen string) config.Publish {
	t.Helper()
	p, err := config.ReadPublish(fmt.Appendf(nil, `{"listen":%q}`, listen))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// only is the attachment of a daemon that has one.
func only(t *testing.T, d *Daemon) control.Attachment {
	t.Helper()
	s := d.Status(t.Context())
	if len(s.Attachments) != 1 {
		t.Fatalf("%+v", s)
	}
	return s.Attachments[0]
}

// An attachment through the control socket is made with all its ports, or not at all.
func TestAttachPortHeld(t *testing.T) {
	need(t)
	name := netns(t)
	d := start(t, "")
	first := free(t)
	l, second := held(t)
	a := config.Attachment{Name: "a", Settings: d.Defaults(), Netns: config.Netns{Name: name}}
	for _, p := range []config.Publish{first, second} {
		p.Complete(a.Network)
		a.Publish = append(a.Publish, p)
	}
	before := d.Status(t.Context())
	if err := d.Attach(t.Context(), a); !errors.Is(err, control.ErrExists) || !strings.Contains(err.Error(), second.ID()) {
		t.Error(err)
	}
	if after := d.Status(t.Context()); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v", after)
	}
	if left := devices(t, "/run/netns/"+name); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if l, err := net.Listen("tcp", first.Listen.String()); err != nil {
		t.Error("left: ", err)
	} else {
		l.Close()
	}
	l.Close()
	if err := d.Attach(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if s := only(t, d); len(s.Published) != 2 || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

// One of the file is served without the port, says so, and has it with the next reload.
func TestPortOfTheFileHeld(t *testing.T) {
	need(t)
	l, port := held(t)
	text := fmt.Sprintf("attachments: [{name: a, netns: {name: %s}, publish: [{listen: %q}]}]\n", netns(t), port.Listen)
	d := start(t, text)
	if s := only(t, d); s.State != control.StateUp || len(s.Published) != 0 || !strings.Contains(s.Problem, port.ID()) {
		t.Errorf("%+v", s)
	}
	r, err := d.replace(parse(t, catalog+text))
	if err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], port.ID()) {
		t.Errorf("%v, %+v", err, r)
	}
	l.Close()
	if r, err := d.replace(parse(t, catalog+text)); err != nil || len(r.Notes) > 0 {
		t.Errorf("%v, %+v", err, r)
	}
	if s := only(t, d); len(s.Published) != 1 || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

// What was published through the control socket outlives a reload, also one that begins
// its attachment anew.
func TestReloadKeepsPublished(t *testing.T) {
	need(t)
	name, port, other := netns(t), free(t), free(t)
	text := func(more string) string {
		return fmt.Sprintf(catalog+"attachments: [{name: a, netns: {name: %s}%s}]\n", name, more)
	}
	d := start(t, strings.TrimPrefix(text(""), catalog))
	if err := d.Publish(t.Context(), "a", port); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		more string
		want []string
	}{
		{"", []string{port.ID()}},
		{fmt.Sprintf(", publish: [{listen: %q}]", other.Listen), []string{port.ID(), other.ID()}},
		{", interface: {mtu: 9000}", []string{port.ID()}},
		{`, network: {ipv4: 10.9.0.0/24}`, []string{port.ID()}},
		{fmt.Sprintf(", publish: [{listen: %q}]", port.Listen), []string{port.ID()}},
	} {
		if r, err := d.replace(parse(t, text(c.more))); err != nil || len(r.Notes) > 0 {
			t.Errorf("%s: %v, %+v", c.more, err, r)
		}
		slices.Sort(c.want)
		if s := only(t, d); !slices.Equal(s.Published, c.want) {
			t.Errorf("%s: %q, want %q", c.more, s.Published, c.want)
		}
	}
	if err := d.Unpublish(t.Context(), "a", port.ID()); err != nil {
		t.Error(err)
	}
	if _, err := d.replace(parse(t, text(""))); err != nil || len(only(t, d).Published) > 0 {
		t.Errorf("%v, %+v", err, only(t, d))
	}
}

// A file that cannot be beside what came through the control socket is refused whole.
func TestReloadBesidePublished(t *testing.T) {
	need(t)
	port := free(t)
	d := start(t, fmt.Sprintf("attachments: [{name: a, netns: {name: %s}}]\n", netns(t)))
	if err := d.Publish(t.Context(), "a", port); err != nil {
		t.Fatal(err)
	}
	before := d.Status(t.Context())
	next := parse(t, fmt.Sprintf(catalog+"attachments: [{name: a, netns: {name: x}}, {name: b, netns: {name: y}, publish: [{listen: %q}]}]\n", port.Listen))
	if _, err := d.replace(next); !errors.Is(err, control.ErrInvalid) || !strings.Contains(err.Error(), "published by a already") {
		t.Error(err)
	}
	if after := d.Status(t.Context()); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v\nwas\n%+v", after, before)
	}
}

// A port is published once, also while the namespace that has it is not there.
func TestPublishBesideOthers(t *testing.T) {
	need(t)
	port := free(t)
	d := start(t, fmt.Sprintf(`attachments:
  - {name: a, netns: {name: netnsd-is-not-there}, publish: [{listen: %q}]}
  - {name: b, netns: {name: %s}}
`, port.Listen, netns(t)))
	last := port.Listen.Ports.Last
	all := published(t, fmt.Sprintf("%v:%d-%d", port.Listen.Addr, last-1, last))
	for _, name := range []string{"a", "b"} {
		if err := d.Publish(t.Context(), name, all); !errors.Is(err, control.ErrExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Unpublish(t.Context(), "a", port.ID()); err != nil {
		t.Error(err)
	}
	if err := d.Publish(t.Context(), "b", all); err != nil {
		t.Error(err)
	}
	d.end()
	for what, err := range map[string]error{
		"publish": d.Publish(t.Context(), "b", port), "unpublish": d.Unpublish(t.Context(), "b", all.ID()), "detach": d.Detach(t.Context(), "b"),
	} {
		if !errors.Is(err, control.ErrEnding) {
			t.Errorf("%s at the end: %v", what, err)
		}
	}
	if s := d.Status(t.Context()); !s.Ending || len(s.Attachments) != 2 || len(s.Attachments[1].Published) != 1 {
		t.Errorf("%+v", s)
	}
}

// Descriptors of several who ask have the same number, mostly 3.
func TestDescriptorsOfOneNumber(t *testing.T) {
	need(t)
	d := start(t, "")
	for _, name := range []string{"a", "b"} {
		f, err := os.Open("/run/netns/" + netns(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Attach(t.Context(), config.Attachment{Name: name, Settings: d.Defaults(), Netns: config.Netns{FD: 3, File: f}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := d.replace(parse(t, catalog)); err != nil || len(r.Detached) > 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// Of two reloads the one that has read the file later is the one that stays.
func TestReloadOneAtATime(t *testing.T) {
	need(t)
	file := filepath.Join(t.TempDir(), "netnsd.yaml")
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{File: file, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Opener: opening(t)}, parse(t, catalog))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	done := make(chan error)
	go func() {
		_, err := d.Reload(t.Context(), control.ReloadQuery{})
		done <- err
	}()
	w, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for the reader
	if err != nil {
		t.Fatal(err)
	}
	if d.change.TryLock() {
		t.Error("another change can come between the file that is read and what is put in force")
		d.change.Unlock()
	}
	if _, err := w.WriteString("version: 1\n" + catalog); err != nil {
		t.Error(err)
	}
	if err := errors.Join(w.Close(), <-done); err != nil {
		t.Error(err)
	}
	if err := os.Remove(file); err != nil {
		t.Error(err)
	}
	if _, err := d.Reload(t.Context(), control.ReloadQuery{}); !errors.Is(err, control.ErrInvalid) {
		t.Errorf("a file that is not there: %v", err)
	}
	if s := d.Status(t.Context()); s.Generation != 2 || !strings.Contains(s.Problem, "no such file") {
		t.Errorf("%+v", s)
	}
}

// A port that listens is no flow that could be killed: nobody would be served behind it,
// and nobody told.
func TestKillPublished(t *testing.T) {
	need(t)
	port := free(t)
	udp := port
	udp.Proto = "udp"
	d := start(t, fmt.Sprintf("attachments: [{name: a, netns: {name: %s}, publish: [{listen: %q}, {listen: %[2]q, proto: udp}]}]\n", netns(t), port.Listen))
	flows, err := d.Flows(t.Context(), "a")
	if err != nil || len(flows) != 2 {
		t.Fatalf("%v, %+v", err, flows)
	}
	for _, f := range flows {
		err := d.Kill(t.Context(), f.ID)
		if f.State != "published" || !errors.Is(err, control.ErrInvalid) || !strings.Contains(err.Error(), f.Proto+"/"+port.Listen.String()) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if s := only(t, d); !slices.Equal(s.Published, []string{port.ID(), udp.ID()}) || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

// A port that new rules deny is said to be closed, and is open again when they allow it,
// also that of an attachment that came through the control socket.
func TestReloadDeniesPublished(t *testing.T) {
	need(t)
	for _, api := range []bool{false, true} {
		name, port := netns(t), free(t)
		text := fmt.Sprintf("attachments: [{name: a, netns: {name: %s}, publish: [{listen: %q}]}]\n", name, port.Listen)
		if api {
			text = ""
		}
		d := start(t, text)
		if api {
			port.Complete(d.Defaults().Network)
			a := config.Attachment{Name: "a", Settings: d.Defaults(), Netns: config.Netns{Name: name}, Publish: []config.Publish{port}}
			if err := d.Attach(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		denied := strings.Replace(catalog, "default: allow", "default: allow, listen: deny", 1)
		r, err := d.replace(parse(t, denied+text))
		if err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], port.ID()) {
			t.Errorf("%v, %+v", err, r)
		}
		if s := only(t, d); len(s.Published) > 0 || !strings.Contains(s.Problem, port.ID()) {
			t.Errorf("%+v", s)
		}
		if l, err := net.Listen("tcp", port.Listen.String()); err != nil {
			t.Error("denied, and open: ", err)
		} else {
			l.Close()
		}
		if r, err := d.replace(parse(t, catalog+text)); err != nil || len(r.Notes) > 0 {
			t.Errorf("%v, %+v", err, r)
		}
		if s := only(t, d); len(s.Published) != 1 || s.Problem != "" {
			t.Errorf("%+v", s)
		}
	}
}

// A namespace has one attachment, whatever it is called: of two the routes of the later
// would lead past the chain of the first.
func TestServedTwice(t *testing.T) {
	need(t)
	name := netns(t)
	d := start(t, fmt.Sprintf(`attachments:
  - {name: a, netns: {name: %s}}
  - {name: b, netns: {path: /run/netns/%[1]s}, interface: {name: other0}, chain: shut}
`, name))
	up := func() (names []string) {
		for _, a := range d.Status(t.Context()).Attachments {
			if a.State == control.StateUp {
				names = append(names, a.Name)
			} else if !strings.Contains(a.Problem, "served as") {
				t.Errorf("%+v", a)
			}
		}
		return names
	}
	first := up()
	if len(first) != 1 {
		t.Fatalf("served by %q", first)
	}
	f, err := os.Open("/run/netns/" + name)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Attachment{Name: "c", Settings: d.Defaults(), Netns: config.Netns{FD: 3, File: f}}
	c.Interface.Name = "third0"
	if err := d.Attach(t.Context(), c); !errors.Is(err, control.ErrInvalid) || !strings.Contains(err.Error(), "served as "+first[0]+" already") {
		t.Error(err)
	}
	if all := devices(t, "/run/netns/"+name); len(all) != 1 {
		t.Errorf("devices: %q", all)
	}
	if err := d.Detach(t.Context(), first[0]); err != nil {
		t.Error(err)
	}
	await(t, "the other has it", func() bool {
		s := only(t, d)
		return s.Name != first[0] && s.State == control.StateUp
	})
}

// A port goes from one attachment to another in one reload, whichever stands first, and
// whether the other is there already.
func TestReloadMovesPort(t *testing.T) {
	need(t)
	one, two, three, port := netns(t), netns(t), netns(t), free(t)
	text := func(first, second, third string) string {
		at := map[bool]string{true: fmt.Sprintf(", publish: [{listen: %q}]", port.Listen)}
		text := catalog + "attachments:\n"
		for _, a := range [][2]string{{"a", one}, {"b", two}, {"c", three}} {
			if a[0] == first || a[0] == second {
				text += fmt.Sprintf("  - {name: %s, netns: {name: %s}%s}\n", a[0], a[1], at[a[0] == third])
			}
		}
		return text
	}
	d := start(t, strings.TrimPrefix(text("a", "b", "b"), catalog))
	for _, has := range [][3]string{{"a", "b", "a"}, {"a", "b", "b"}, {"b", "c", "c"}, {"b", "c", "b"}, {"a", "b", "a"}} {
		r, err := d.replace(parse(t, text(has[0], has[1], has[2])))
		if err != nil || len(r.Notes) > 0 {
			t.Errorf("%v: %v, %+v", has, err, r)
		}
		for _, a := range d.Status(t.Context()).Attachments {
			if (len(a.Published) == 1) != (a.Name == has[2]) || a.Problem != "" {
				t.Errorf("%v: %+v", has, a)
			}
		}
	}
}

//go:build linux

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/tun"
)

// TestMain plays the children of the tests.
func TestMain(m *testing.M) {
	switch Part() {
	case "":
		providertest.Main(m)
	case PartExec:
		var x Exec
		err := Spec(&x)
		if err == nil {
			err = x.Become()
		}
		die(err)
	default:
		Serve(part)
	}
}

// part answers "say" with what it is asked to say, and fails before that if its
// specification says so.
func part() (func(string, json.RawMessage) (any, error), func() error, error) {
	var fails string
	if err := Spec(&fails); err != nil {
		return nil, nil, err
	}
	var failed error
	if fails != "" {
		failed = errors.New(fails)
	}
	return func(op string, arg json.RawMessage) (any, error) {
		switch op {
		case "say":
			return arg, nil
		case "die":
			fmt.Fprintln(os.Stderr, "its last words")
			os.Exit(3)
		case "hang":
			select {}
		}
		return nil, fmt.Errorf("no %q here", op)
	}, nil, failed
}

func open(t *testing.T) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("not root: a lab makes namespaces")
		}
		t.Skip("not root: a lab makes namespaces")
	}
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(l.Dir); !os.IsNotExist(err) {
			t.Errorf("%s: %v", l.Dir, err)
		}
		if m, _ := filepath.Glob(filepath.Join(tun.NetnsDir, l.name+"*")); len(m) != 0 {
			t.Errorf("left: %v", m)
		}
	})
	return l
}

func netnsOf(t *testing.T, l *Lab, name string) *Netns {
	t.Helper()
	n, err := l.Netns(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOwner(t *testing.T) {
	for name, want := range map[string]int{
		"netnsd-bench-12-1-host": 12, "netnsd-bench-7": 7, "netnsd-bench-": 0, "netnsd-bench-x-1": 0, "other-12-1": 0, "": 0,
	} {
		if got := owner(name); got != want {
			t.Errorf("%q: %d, not %d", name, got, want)
		}
	}
}

// What a dead owner left is removed, what a living one has is not.
func TestSweep(t *testing.T) {
	l := open(t)
	living := netnsOf(t, l, "living")
	was := exec.Command("true")
	if err := was.Run(); err != nil {
		t.Fatal(err)
	}
	mine := l.name
	l.name = fmt.Sprintf("%s%d-1-", prefix, was.Process.Pid)
	dead := netnsOf(t, l, "dead")
	l.name = mine
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-1-", prefix, was.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := sweep(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{dead.Path, dir} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if err := living.Do(func() error { return nil }); err != nil {
		t.Errorf("the living one: %v", err)
	}
}

// Every socket of a namespace has the congestion control of a comparison.
func TestNetnsSettings(t *testing.T) {
	n := netnsOf(t, open(t), "a")
	var is []byte
	err := n.Do(func() (err error) {
		is, err = os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
		return err
	})
	if err != nil || strings.TrimSpace(string(is)) != Congestion {
		t.Errorf("%q, %v", is, err)
	}
}

func TestVethCarries(t *testing.T) {
	l := open(t)
	a, b := netnsOf(t, l, "a"), netnsOf(t, l, "b")
	pa, pb := netip.MustParsePrefix("10.1.1.1/24"), netip.MustParsePrefix("10.1.1.2/24")
	if err := Veth(a, b, "v0", 1500, pa, pb); err != nil {
		t.Fatal(err)
	}
	if err := DefaultRoute(a, "v0", pb.Addr()); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[*Netns]bool{a: true, b: false} {
		if err := n.Do(func() error {
			if got := HasDefaultRoute(); got != want || !HasLink("v0") || HasLink("v1") {
				return fmt.Errorf("default route %v, not %v; or the wrong links", got, want)
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", n.Path, err)
		}
	}
}

func TestChild(t *testing.T) {
	l := open(t)
	n := netnsOf(t, l, "a")
	c, err := l.StartChild(t.Context(), n, "part", "")
	if err != nil {
		t.Fatal(err)
	}
	var said string
	if err := c.Call(t.Context(), "say", "this", &said); err != nil || said != "this" {
		t.Errorf("%q, %v", said, err)
	}
	if err := c.Call(t.Context(), "sing", nil, nil); err == nil || !strings.Contains(err.Error(), `no "sing"`) {
		t.Errorf("an unknown call: %v", err)
	}
	if err := c.Call(t.Context(), "die", nil, nil); err == nil || !strings.Contains(err.Error(), "its last words") {
		t.Errorf("a child that dies: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

func TestChildThatCannotBegin(t *testing.T) {
	l := open(t)
	_, err := l.StartChild(t.Context(), netnsOf(t, l, "a"), "part", "no wish to")
	if err == nil || !strings.Contains(err.Error(), "no wish to") {
		t.Errorf("error %v", err)
	}
}

// A call ends with its context, and the child with the lab.
func TestChildThatHangs(t *testing.T) {
	l := open(t)
	c, err := l.StartChild(t.Context(), netnsOf(t, l, "a"), "part", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Call(ctx, "hang", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-c.Gone():
	default:
		t.Error("it lives after Close")
	}
}

// A program finds the name server that it is to find, and the machine keeps its
// own.
func TestResolving(t *testing.T) {
	if _, err := os.Stat(resolvConf); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	l := open(t)
	before, _ := os.ReadFile(resolvConf)
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := l.Resolving("10.9.0.1", cat, resolvConf)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	p, err := l.Start(netnsOf(t, l, "a"), cmd)
	if err == nil {
		err = p.Wait(t.Context())
	}
	if err != nil || out.String() != "nameserver 10.9.0.1\n" {
		t.Errorf("it reads %q, %v", &out, err)
	}
	if after, _ := os.ReadFile(resolvConf); string(after) != string(before) {
		t.Errorf("the machine's is changed: %q", after)
	}
}

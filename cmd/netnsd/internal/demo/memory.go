//go:build linux

package demo

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/chain"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/run"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/netstack"
	"github.com/netnsd/netnsd/sockets"
	"github.com/netnsd/netnsd/stack"
)

// memory is a link in this process: on one end what run serves, on the other a
// stack of the client's own, with net/http on it.
type memory struct{}

func (memory) command(chain.Config, string) string { return "" }

func (memory) fetch(rules chain.Config, url string) (got fetched, err error) {
	var log bytes.Buffer // written by the audit's one goroutine, read when it has ended
	rules.Audit, rules.AuditTo = "-", &log
	host, guest := newWire()
	end, err := run.Behind(run.Config{Chain: rules, NoDNS: true, Log: slog.New(slog.DiscardHandler)}, host)
	if err != nil {
		return got, errors.Join(err, guest.Close())
	}
	words, fetchErr := fetchOn(guest, url)
	if err := end(); err != nil {
		return got, err
	}
	got.ok, got.words = fetchErr == nil, words
	if fetchErr != nil {
		got.words = fetchErr.Error()
	}
	got.audit, err = readAudit(log.Bytes())
	return got, err
}

// fetchOn fetches from a stack of its own on the device.
func fetchOn(d stack.Device, url string) (words string, err error) {
	s, err := stack.New(stack.Config{})
	if err != nil {
		return "", errors.Join(err, d.Close())
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	nic, err := s.AddNIC(stack.NICConfig{Name: "guest", Device: d, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24")}})
	if err != nil {
		return "", err
	}
	s.SetRoutes([]stack.Route{{Dest: netip.PrefixFrom(netip.IPv4Unspecified(), 0), NIC: nic}})
	catalog := new(provider.Catalog)
	if _, err := catalog.InstallBase("netstack", netstack.NewBase(netstack.Config{Stack: s})); err != nil {
		return "", err
	}
	session, err := sockets.Startup(sockets.Config{Catalog: catalog})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	transport := &http.Transport{DialContext: session.DialContext}
	defer transport.CloseIdleConnections()
	return get(&http.Client{Transport: transport, Timeout: 10 * time.Second}, url)
}

// Fetch is the client that demo uses where there is no curl.
func Fetch(url string) (string, error) {
	return get(&http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}, url)
}

func get(c *http.Client, url string) (string, error) {
	r, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return string(b), err
}

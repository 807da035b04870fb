package dns

import (
	"errors"
	"io/fs"
	"slices"
	"time"
)

// look reads the files that have changed.
func (r *Resolver) look(now time.Time) {
	if r.usesSystem() {
		r.lookServers(now)
	}
	if r.cfg.HostsFile == "" {
		return
	}
	switch text, err := r.hostsFile.changed(now); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		r.cfg.Log.Warn("the hosts stay as they were", "error", err)
	case text != nil:
		all := parseHosts(string(text))
		r.mu.Lock()
		r.fromFile = all
		r.mu.Unlock()
	}
}

func (r *Resolver) usesSystem() bool {
	return slices.Contains(r.cfg.Upstreams, System) ||
		slices.ContainsFunc(r.cfg.Zones, func(z Zone) bool { return z.Server == System })
}

// encrypts reports whether a server is asked by TLS.
func (cfg *Config) encrypts() bool {
	tls := func(u Upstream) bool { return u.scheme == "tls" || u.scheme == "https" }
	return slices.ContainsFunc(cfg.Upstreams, tls) || slices.ContainsFunc(cfg.Zones, func(z Zone) bool { return tls(z.Server) })
}

func (r *Resolver) lookServers(now time.Time) {
	text, err := r.resolvConf.changed(now)
	if err != nil {
		r.cfg.Log.Warn("the name servers stay as they were", "error", err)
	}
	if text == nil {
		return
	}
	all := systemServers(text)
	if len(all) == 0 {
		if !r.nameless.Swap(true) {
			r.cfg.Log.Warn("the name servers stay as they were", "error", r.cfg.ResolvConf+": no server is named")
		}
		return
	}
	r.nameless.Store(false)
	r.replace(all)
}

func systemServers(text []byte) (all []Upstream) {
	for _, a := range ParseResolvConf(string(text)).Servers {
		all = append(all, At(a))
	}
	return all
}

// replace asks others from now on. What the old ones have answered is forgotten:
// another network may call other hosts by the same names.
func (r *Resolver) replace(system []Upstream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Equal(system, r.system) {
		return
	}
	r.cfg.Log.Info("other name servers", "servers", system, "file", r.cfg.ResolvConf)
	r.system = system
	r.state++
	r.cache.clear()
	for u, s := range r.servers {
		if !r.usedLocked(u) {
			s.close()
			delete(r.servers, u)
		}
	}
}

func (r *Resolver) usedLocked(u Upstream) bool {
	return slices.Contains(r.system, u) || slices.Contains(r.cfg.Upstreams, u) ||
		slices.ContainsFunc(r.cfg.Zones, func(z Zone) bool { return z.Server == u })
}

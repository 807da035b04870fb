//go:build linux

package daemon

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/control"
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/metrics"
	"github.com/netnsd/netnsd/sockets/gateway"
	"github.com/netnsd/netnsd/stack"
)

// Metrics implements [control.Daemon].
func (d *Daemon) Metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{d})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// collector asks for everything when it is asked. What is counted for an
// attachment begins anew when its namespace comes back, but for its bytes.
type collector struct{ d *Daemon }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("netnsd_"+name, help, labels, nil)
}

var (
	metricGeneration   = desc("config_generation", "Configurations that were put in force; it grows with each reload.")
	metricLoaded       = desc("config_loaded_timestamp_seconds", "When the configuration in force was.")
	metricReloadOK     = desc("config_reload_ok", "0 if the last reload was refused.")
	metricUp           = desc("attachment_up", "1 if packets pass.", "attachment")
	metricFlows        = desc("flows", "Sockets that are open.", "attachment", "proto")
	metricBytes        = desc("bytes_total", "Bytes that sockets have moved: in to the program, out from it.", "attachment", "direction")
	metricVerdicts     = desc("flows_total", "What became of flows: TCP connections, UDP datagrams, pings.", "attachment", "proto", "result")
	metricDropped      = desc("dropped_total", "Datagrams that were dropped, by reason; expired: hops, of TCP too; refused: answers to a port inside that is closed.", "attachment", "reason")
	metricLink         = desc("link_total", "What the stack has counted at the device: packets, bytes, and what it dropped, by reason (go doc stack.Counter).", "attachment", "counter")
	metricDNS          = desc("dns_queries_total", "Queries to the name service, by what became of them; all is their sum.", "attachment", "result")
	metricPublished    = desc("published_total", "What became of clients of published ports: connections, and datagrams.", "attachment", "port", "result")
	metricPanics       = desc("layer_panics_total", "Panics in layers that were contained.", "attachment")
	metricSockets      = desc("total_sockets_total", "Destinations of sockets, by the rule that let them pass, their name, or their program; of a layer metrics.", "layer", "attachment", "by", "key")
	metricDenied       = desc("total_denied_total", "What was denied of these.", "layer", "attachment", "by", "key")
	metricMoved        = desc("total_bytes_total", "What these have moved: in to the program, out from it.", "layer", "attachment", "by", "key", "direction")
	metricLayerOps     = desc("layer_operations_total", "Data operations that a layer was asked for; in: to the program.", "attachment", "chain", "version", "layer", "direction")
	metricLayerBytes   = desc("layer_bytes_total", "Bytes that have crossed the boundary above a layer.", "attachment", "chain", "version", "layer", "direction")
	metricLayerErrors  = desc("layer_errors_total", "Data operations that have failed there.", "attachment", "chain", "version", "layer", "direction")
	metricLayerAdded   = desc("layer_added_seconds", "Time that a layer has added to a data operation; one in 256 is measured.", "attachment", "chain", "version", "layer", "direction")
	metricLayerEntries = desc("layer_calls_total", "How often a layer was asked for an entry that moves no data.", "attachment", "chain", "version", "layer", "entry")
	metricVerdict      = desc("layer_verdicts_total", "What a layer that decides has said.", "attachment", "chain", "version", "layer", "verdict")
	metricFaults       = desc("layer_faults_total", "What a layer has done that was caught: panic, stall, lie, leak.", "attachment", "chain", "version", "layer", "kind")
	metricBreaker      = desc("layer_breaker_open", "1 if a layer has failed too often, and new sockets are refused or pass it by.", "attachment", "chain", "version", "layer")
	metricAudit        = desc("audit_lines_dropped_total", "Audit lines that could not be written.", "file")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		metricGeneration, metricLoaded, metricReloadOK, metricUp, metricFlows, metricBytes, metricVerdicts, metricDropped,
		metricLink, metricDNS, metricPublished, metricPanics, metricAudit,
		metricSockets, metricDenied, metricMoved, metricLayerOps, metricLayerBytes, metricLayerErrors, metricLayerAdded, metricLayerEntries, metricVerdict, metricFaults, metricBreaker,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	w := metricWriter{ch}
	c.d.mu.Lock()
	w.gauge(metricGeneration, float64(c.d.generation))
	w.gauge(metricLoaded, float64(c.d.loaded.UnixMilli())/1000)
	w.gauge(metricReloadOK, one(c.d.problem == ""))
	c.d.mu.Unlock()
	for file, lines := range c.d.auditsDropped() {
		w.count(metricAudit, lines, file)
	}
	for _, e := range c.d.catalog.Snapshot().Entries {
		if l, ok := e.Layer.(*metrics.Layer); ok {
			w.totals(e.Name, l.Totals())
		}
	}
	for _, a := range c.d.all() {
		a.collect(w)
	}
}

func (w metricWriter) totals(layer string, all metrics.Totals) {
	for by, list := range map[string][]metrics.Total{"rule": all.Rules, "name": all.Names, "process": all.Processes} {
		for _, t := range list {
			w.count(metricSockets, t.Sockets, layer, t.Attachment, by, t.Key)
			w.count(metricDenied, t.Denied, layer, t.Attachment, by, t.Key)
			w.count(metricMoved, t.BytesIn, layer, t.Attachment, by, t.Key, "in")
			w.count(metricMoved, t.BytesOut, layer, t.Attachment, by, t.Key, "out")
		}
	}
}

func (a *attachment) collect(w metricWriter) {
	s, name := a.status(), a.cfg.Name
	w.gauge(metricUp, one(s.State == control.StateUp), name)
	w.count(metricBytes, s.BytesIn, name, "in")
	w.count(metricBytes, s.BytesOut, name, "out")
	p := a.live()
	if p == nil {
		return
	}
	open := map[string]int{"tcp": 0, "udp": 0, "icmp": 0}
	for k := range p.Session.Sockets() {
		open[protocol(k.Protocol)]++
	}
	for proto, n := range open {
		w.gauge(metricFlows, float64(n), name, proto)
	}
	w.count(metricPanics, p.Session.Panics(), name)
	w.gateway(name, &p.Gateway.Counters)
	for _, g := range grouped(p.Session.Chains()) {
		w.chain(name, g)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.published != nil && a.plane != nil { // packets pass
		for c, n := range a.plane.NIC.Counters() {
			w.count(metricLink, n, name, stack.Counter(c).String())
		}
	}
	for id, p := range a.published {
		w.published(name, id, p)
	}
}

// chain is one installation in one version. What a version has counted ends with it.
func (w metricWriter) chain(attachment string, group []*provider.Chain) {
	for i, c := range sum(group) {
		at := []string{attachment, group[0].Name(), strconv.FormatUint(group[0].Version, 10), c.layer}
		with := func(label string) []string { return append(slices.Clone(at), label) }
		for direction, of := range map[string]func(*provider.Probe) *provider.Flow{
			"in": func(p *provider.Probe) *provider.Flow { return &p.In }, "out": func(p *provider.Probe) *provider.Flow { return &p.Out },
		} {
			f := c.flows(of)
			w.count(metricLayerOps, f.Operations, with(direction)...)
			w.count(metricLayerBytes, f.Bytes, with(direction)...)
			w.count(metricLayerErrors, f.Errors, with(direction)...)
			w.histogram(metricLayerAdded, f.Added, with(direction)...)
		}
		shown := c.shown()
		for _, m := range []struct {
			desc *prometheus.Desc
			all  map[string]uint64
		}{{metricLayerEntries, shown.Entries}, {metricVerdict, shown.Verdicts}, {metricFaults, shown.Faults}} {
			for word, n := range m.all {
				w.count(m.desc, n, with(word)...)
			}
		}
		open := slices.ContainsFunc(group, func(k *provider.Chain) bool { return k.Breakers()[i].State != provider.BreakerClosed })
		w.gauge(metricBreaker, one(open), at...)
	}
}

func (w metricWriter) histogram(d *prometheus.Desc, h provider.Histogram, labels ...string) {
	buckets, all := make(map[float64]uint64), uint64(0)
	for _, b := range h.Buckets {
		all = b.Count
		if b.UpTo > 0 {
			buckets[b.UpTo.Seconds()] = b.Count
		}
	}
	if all > 0 {
		w.ch <- prometheus.MustNewConstHistogram(d, all, h.Sum.Seconds(), buckets, labels...)
	}
}

func (w metricWriter) published(name, id string, p *gateway.Published) {
	for _, c := range []struct {
		result string
		n      uint64
	}{
		{"connected", p.Connected.Load()}, {"denied", p.Denied.Load()}, {"refused", p.Refused.Load()}, {"failed", p.Failed.Load()},
		{"masked", p.Masked.Load()}, {"waited", p.Waited.Load()}, {"datagrams_in", p.DatagramsIn.Load()}, {"datagrams_out", p.DatagramsOut.Load()},
		{"dropped", p.Dropped.Load()}, {"evicted", p.Evicted.Load()},
	} {
		w.count(metricPublished, c.n, name, id, c.result)
	}
}

func (w metricWriter) gateway(name string, g *gateway.Counters) {
	for _, c := range []struct {
		proto, result string
		n             uint64
	}{
		{"tcp", "begun", g.TCPFlows.Load()}, {"tcp", "connected", g.TCPConnected.Load()}, {"tcp", "denied", g.TCPDenied.Load()},
		{"tcp", "failed", g.TCPFailed.Load()}, {"tcp", "canceled", g.TCPCanceled.Load()}, {"tcp", "reset", g.TCPReset.Load()}, {"tcp", "limit", g.TCPLimit.Load()},
		{"udp", "sent", g.UDPSent.Load()}, {"udp", "received", g.UDPReceived.Load()}, {"udp", "denied", g.UDPDenied.Load()},
		{"icmp", "sent", g.Pings.Load()}, {"icmp", "received", g.PingReplies.Load()},
	} {
		w.count(metricVerdicts, c.n, name, c.proto, c.result)
	}
	for _, c := range []struct {
		reason string
		n      uint64
	}{
		{"unasked", g.UDPUnasked.Load()}, {"full", g.UDPFull.Load()}, {"evicted", g.UDPEvicted.Load()}, {"too_many", g.UDPLimit.Load()}, {"too_long", g.UDPTooLong.Load()},
		{"broadcast", g.UDPBroadcast.Load()}, {"refused", g.UDPRefused.Load()}, {"expired", g.Expired.Load()}, {"no_ping_socket", g.PingUnsupported.Load()},
	} {
		w.count(metricDropped, c.n, name, c.reason)
	}
	for _, c := range []struct {
		result string
		n      uint64
	}{
		{"all", g.DNSQueries.Load()}, {"denied", g.DNSDenied.Load()}, {"failed", g.DNSFailed.Load()},
		{"busy", g.DNSBusy.Load()}, {"refused", g.DNSRefused.Load()}, {"malformed", g.DNSMalformed.Load()},
	} {
		w.count(metricDNS, c.n, name, c.result)
	}
}

// auditsDropped are the lines that audits have lost, by file.
func (d *Daemon) auditsDropped() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	lost := make(map[string]uint64)
	for file, l := range d.audits {
		lost[file] = l.Dropped()
	}
	return lost
}

type metricWriter struct{ ch chan<- prometheus.Metric }

func (w metricWriter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	w.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (w metricWriter) count(d *prometheus.Desc, n uint64, labels ...string) {
	w.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

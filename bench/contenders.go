//go:build linux

package bench

import (
	"fmt"
	"maps"
	"slices"

	"github.com/netnsd/netnsd/bench/internal/contender"
	"github.com/netnsd/netnsd/bench/internal/subject"
)

// The two sides of the table "connections".
const (
	manyConnections = "netnsd-10000"
	fewConnections  = "netnsd-100"
)

// threeDecide is the chain of "netnsd", which the figures are about.
const threeDecide = "decide3"

// gateways are netnsd as a gateway, by chain; "netnsd" is the one that counts.
func gateways() []contender.Contender {
	var all []contender.Contender
	for chain, layers := range subject.Chains() {
		name := "netnsd-" + chain
		if chain == threeDecide {
			name = "netnsd"
		}
		all = append(all, contender.Ours(name, "netnsd gateway, "+layers, subject.Spec{Mode: subject.Gateway, Chain: chain}))
	}
	return all
}

// builtIn are the contenders that need nobody else's program.
func builtIn(netnsd string) (map[string]contender.Contender, error) {
	sockets := subject.Spec{Mode: subject.Sockets, Chain: "none"}
	naive, naiveGateway := sockets, subject.Spec{Mode: subject.Gateway, Chain: "none", Naive: true}
	naive.Naive = true
	two := subject.Spec{Mode: subject.Gateway, Chain: threeDecide, Beside: "beside"}
	run, err := runner(netnsd)
	if err != nil {
		return nil, fmt.Errorf("bench: the netnsd to start: %w", err)
	}
	all := make(map[string]contender.Contender)
	for _, c := range append(gateways(),
		contender.Veth(), contender.Loopback(), run, oneLayer(),
		contender.Ours("netnsd-sockets", "netnsd sockets", sockets),
		contender.Ours(manyConnections, "netnsd sockets, 10 000 connections", sockets),
		contender.Ours(fewConnections, "netnsd sockets, 100 connections", sockets),
		contender.Ours(besideQuiet, "netnsd gateway, one of two", two),
		contender.Ours(besideFlood, "netnsd gateway, one of two, the other flooded", two),
		contender.Ours("naive", "naive sockets, water", naive),
		contender.Ours("naive-gateway", "naive gateway, water", naiveGateway),
	) {
		all[c.Name] = c
	}
	return all, nil
}

// invite finds who is at the tables, and replaces kinds of other people's
// programs by those that are there.
func (p *Plan) invite() (err error) {
	if p.contenders, err = builtIn(p.options.Netnsd); err != nil {
		return err
	}
	programs := map[string]string{}
	for _, kind := range contender.Kinds() {
		programs[kind] = ""
	}
	maps.Copy(programs, p.options.Against)
	for name, path := range programs {
		c, err := contender.Tool(name, path)
		if err != nil {
			return err
		}
		p.contenders[name] = c
	}
	for i := range p.tables {
		t := &p.tables[i]
		var baselines []string
		for _, name := range t.baselines {
			baselines = append(baselines, p.ofKind(name)...)
		}
		t.baselines = baselines
	}
	return nil
}

// ofKind are the contenders that a baseline of a table stands for: itself, and
// those of its kind that were given.
func (p *Plan) ofKind(name string) []string {
	all := []string{name}
	if slices.Contains(contender.Kinds(), name) {
		for other := range p.options.Against {
			if other != name && contender.Kind(other) == name {
				all = append(all, other)
			}
		}
		slices.Sort(all)
	}
	return all
}

package provider

import (
	"reflect"

	"github.com/netnsd/netnsd/provider/wsa"
)

// groups are replaced whole or not at all: an operation that passes silently
// around a layer that must see all data is how a filter leaks.
var groups = [][]string{{"WSPRecv", "WSPRecvFrom"}, {"WSPSend", "WSPSendTo"}, {"Ready", "Watch"}}

func (b *builder) checkGroups(entry *Entry, r *StartupRequest, t *ProcTable) error {
	v := reflect.ValueOf(t).Elem()
	set := func(n string) bool { return !v.FieldByName(n).IsNil() }
	if r.usesSlots {
		for _, n := range []string{"WSPSocket", "WSPAccept", "WSPJoinLeaf"} {
			if !set(n) {
				return b.fail(entry.Name, wsa.EINVALIDPROCTABLE, "it reserved a Slot but does not replace %s, where slots are filled", n)
			}
		}
	}
	if r.changesDest && !(set("WSPConnect") && set("WSPGetPeerName")) {
		return b.fail(entry.Name, wsa.EINVALIDPROCTABLE, "it changes destinations but does not replace both WSPConnect and WSPGetPeerName")
	}
	if _, decides := entry.Layer.(Decider); decides {
		must := []string{"WSPConnect", "WSPAccept", "WSPListen", "WSPJoinLeaf"}
		if r.Info.MessageOriented() && !b.build.decider.sends {
			must = append(must, "WSPSendTo")
		}
		if r.Info.MessageOriented() {
			must = append(must, "WSPSetSockOpt") // which joins groups
		}
		for _, n := range must {
			if !set(n) {
				return b.fail(entry.Name, wsa.EINVALIDPROCTABLE, "it decides but does not replace %s; use provider.Deciding", n)
			}
		}
	}
	for _, g := range groups {
		for _, n := range g[1:] {
			if set(g[0]) != set(n) {
				return b.fail(entry.Name, wsa.EINVALIDPROCTABLE, "%s and %s are replaced together or not at all", g[0], n)
			}
		}
	}
	return nil
}

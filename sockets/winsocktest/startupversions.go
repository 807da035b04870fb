package winsocktest

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// order is WSPPROC_TABLE of winsock-spi 3.0, less the prefix.
var order = []string{
	"Accept", "AddressToString", "AsyncSelect", "Bind", "CancelBlockingCall", "Cleanup", "CloseSocket", "Connect",
	"DuplicateSocket", "EnumNetworkEvents", "EventSelect", "GetOverlappedResult", "GetPeerName", "GetSockName", "GetSockOpt",
	"GetQOSByName", "Ioctl", "JoinLeaf", "Listen", "Recv", "RecvDisconnect", "RecvFrom", "Select", "Send", "SendDisconnect",
	"SendTo", "SetSockOpt", "Shutdown", "Socket", "StringToAddress",
}

// upcallOrder is that of section 4.
var upcallOrder = []string{
	"CloseEvent", "CloseSocketHandle", "CreateEvent", "CreateSocketHandle", "FDIsSet", "GetProviderPath", "ModifyIFSHandle",
	"PostMessage", "QueryBlockingCallback", "QuerySocketHandleContext", "QueueApc", "ResetEvent", "SetEvent",
	"OpenCurrentThread", "CloseThread",
}

// complete wants a table to have these entries in this order, and none of them nil.
func (w *Case) complete(table any, prefix string, want []string) {
	w.Helper()
	v := reflect.ValueOf(table)
	var got []string
	for n := range v.NumField() {
		got = append(got, v.Type().Field(n).Name)
		equal(w, got[n]+" is nil", v.Field(n).IsNil(), false)
	}
	for n := range want {
		want[n] = prefix + want[n]
	}
	if !slices.Equal(got, want) {
		w.Errorf("%v, want %v", got, want)
	}
}

// version is a row of the table of 3.1: who supports which versions, and what a
// provider answers.
type version struct {
	caller, provider              string
	callerLow, callerHigh         uint16
	low, high, requested          uint16
	version, wHigh                uint16
	unsupported, givesUp, current bool
}

var makeWord = provider.MAKEWORD

var versions = []version{
	{caller: "1.1", provider: "1.1", callerLow: makeWord(1, 1), callerHigh: makeWord(1, 1), low: makeWord(1, 1), high: makeWord(1, 1), requested: makeWord(1, 1), version: makeWord(1, 1), wHigh: makeWord(1, 1)},
	{caller: "1.0 1.1", provider: "1.0", callerLow: makeWord(1, 0), callerHigh: makeWord(1, 1), low: makeWord(1, 0), high: makeWord(1, 0), requested: makeWord(1, 1), version: makeWord(1, 0), wHigh: makeWord(1, 0)},
	{caller: "1.0", provider: "1.0 1.1", callerLow: makeWord(1, 0), callerHigh: makeWord(1, 0), low: makeWord(1, 0), high: makeWord(1, 1), requested: makeWord(1, 0), version: makeWord(1, 0), wHigh: makeWord(1, 1)},
	{caller: "1.1", provider: "1.0 1.1", callerLow: makeWord(1, 1), callerHigh: makeWord(1, 1), low: makeWord(1, 0), high: makeWord(1, 1), requested: makeWord(1, 1), version: makeWord(1, 1), wHigh: makeWord(1, 1)},
	{caller: "1.1", provider: "1.0", callerLow: makeWord(1, 1), callerHigh: makeWord(1, 1), low: makeWord(1, 0), high: makeWord(1, 0), requested: makeWord(1, 1), version: makeWord(1, 0), wHigh: makeWord(1, 0), givesUp: true},
	{caller: "1.0", provider: "1.1", callerLow: makeWord(1, 0), callerHigh: makeWord(1, 0), low: makeWord(1, 1), high: makeWord(1, 1), requested: makeWord(1, 0), unsupported: true},
	{caller: "1.0 1.1 2.0", provider: "1.1", callerLow: makeWord(1, 0), callerHigh: makeWord(2, 0), low: makeWord(1, 1), high: makeWord(1, 1), requested: makeWord(2, 0), version: makeWord(1, 1), wHigh: makeWord(1, 1)},
	{caller: "…2.2", provider: "2.2", callerLow: makeWord(1, 0), callerHigh: makeWord(2, 2), low: makeWord(2, 2), high: makeWord(2, 2), requested: makeWord(2, 2), version: makeWord(2, 2), wHigh: makeWord(2, 2), current: true},
}

var _ = addVersions()

func addVersions() struct{} {
	for _, n := range versions {
		add(Row{Section: "3.1", Name: fmt.Sprintf("caller %s, provider %s", n.caller, n.provider), Run: n.run})
	}
	return struct{}{}
}

// run asks the rule, and then, with a base that speaks these versions, the dispatcher,
// which takes 2.2 alone and calls WSPCleanup if that is not what it got.
func (n version) run(w *Case) {
	d, e := provider.Negotiate(n.requested, n.low, n.high)
	if n.unsupported {
		w.Want("WSPStartup", e, wsa.VERNOTSUPPORTED)
	} else {
		w.Want("WSPStartup", e, 0)
	}
	equal(w, "wVersion", d.Version, n.version)
	equal(w, "wHighVersion", d.HighVersion, n.wHigh)
	equal(w, "the caller gives up", e == 0 && d.Version < n.callerLow, n.givesUp)

	b := &wrapped{Base: w.pairBase(), low: n.low, high: n.high}
	_, errno := w.installBase(b).start(sockets.Config{}).WSPSocket(w.Family(), wsa.SOCK_DGRAM, 0, nil, 0, 0)
	if n.current {
		w.Want("WSPSocket", errno, 0)
		return
	}
	w.Want("WSPSocket", errno, wsa.EINVALIDPROVIDER)
	equal(w, "WSPCleanup", b.cleanups.Load(), 1)
}

package winsocktest

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// fiveFunctions are those of 5.4.
var fiveFunctions = []string{"WSPStartup", "WSPSocket", "WSPAddressToString", "WSPStringToAddress", "WSPDuplicateSocket"}

var _ = addFive()

func addFive() struct{} {
	for _, f := range fiveFunctions {
		add(
			Row{Section: "5.4", Name: f + ": another layer is next: the same structure, chain unmodified", Run: func(w *Case) { w.sameEntry(f) }},
			Row{Section: "5.4", Name: f + ": the base is next: its own entry, substituted", Run: func(w *Case) { w.ownEntry(f) }},
		)
	}
	return struct{}{}
}

// sameEntry: every layer is shown the very entry of the chain; the one that comes out of
// WSPDuplicateSocket is the chain's too.
func (w *Case) sameEntry(f string) {
	for _, build := range []func(*house){nil, (*house).flat} {
		h := w.house(3, build)
		up := h.use()
		for _, l := range h.layers {
			seen := l.of(f)
			equal(w, f+" at "+l.name+": times", len(seen), 1)
			if f == "WSPDuplicateSocket" {
				equal(w, "at "+l.name, seen[0].CatalogEntryID, h.chain.Info.CatalogEntryID)
				equal(w, "its chain", seen[0].Chain, h.chain.Info.Chain)
				equal(w, "the token", seen[0].ProviderReserved, up.ProviderReserved)
				continue
			}
			equal(w, f+" at "+l.name+": the very structure", seen[0] == &h.chain.Info, true)
		}
	}
}

func (w *Case) ownEntry(f string) {
	for layers := 1; layers <= 6; layers += 5 {
		h := w.house(layers, nil)
		up := h.use()
		seen := h.base.of(f)
		equal(w, f+": times", len(seen), 1)
		own := h.own(wsa.SOCK_STREAM)
		own.ProviderReserved = seen[0].ProviderReserved
		equal(w, f+": the base's entry", *seen[0], own)
		equal(w, f+": a token that goes up", f == "WSPDuplicateSocket" && up.ProviderReserved == seen[0].ProviderReserved,
			f == "WSPDuplicateSocket")
	}
}

// 5.4 the extras, 5.7 accept and 5.8 duplicates through layers.
var _ = add(
	Row{Section: "5.4", Name: "dwProviderReserved is copied into the substituted entry", Run: func(w *Case) {
		h := w.house(3, nil)
		t := &h.chain.Table
		s, e := t.WSPSocket(&provider.SocketRequest{AF: -1, Type: -1, Protocol: -1, Info: &h.chain.Info})
		w.Want("WSPSocket", e, 0)
		token, e := t.WSPDuplicateSocket(s, 1)
		w.Want("WSPDuplicateSocket", e, 0)
		again, e := t.WSPSocket(&provider.SocketRequest{AF: -1, Type: -1, Protocol: -1, Info: token})
		w.Want("WSPSocket by the token", e, 0)
		equal(w, "the very socket", again == s, true)
		shown := h.base.of("WSPSocket")
		equal(w, "the base's token", shown[len(shown)-1].ProviderReserved, token.ProviderReserved)
		w.Want("WSPCloseSocket", t.WSPCloseSocket(s, provider.CloseAbort), 0)
	}},
	Row{Section: "5.4", Name: "FROM_PROTOCOL_INFO: the incoming structure's af, type and protocol are put into the copy", Run: func(w *Case) {
		h := w.house(2, nil)
		in := h.chain.Info
		in.SocketType, in.Protocol = wsa.SOCK_DGRAM, wsa.IPPROTO_UDP
		s, e := h.chain.Table.WSPSocket(&provider.SocketRequest{AF: -1, Type: -1, Protocol: -1, Info: &in})
		w.Want("WSPSocket", e, 0)
		equal(w, "type", s.Type, wsa.SOCK_DGRAM)
		equal(w, "the base was shown", h.base.of("WSPSocket")[0].SocketType, wsa.SOCK_DGRAM)
		w.Want("WSPCloseSocket", h.chain.Table.WSPCloseSocket(s, provider.CloseAbort), 0)
	}},
	Row{Section: "5.4", Name: "SO_PROTOCOL_INFO: the chain's entry, not the base's", Run: func(w *Case) {
		h := w.house(3, nil)
		b, _ := h.e.infoBytes(h.e.TCP())
		equal(w, "ChainLen", b[40], 4)
		equal(w, "dwCatalogEntryId", provider.CatalogID(uint32(b[36])|uint32(b[37])<<8), h.chain.Info.CatalogEntryID)
	}},
	Row{Section: "5.7", Name: "a layer may pass the condition function down, or substitute its own", Run: func(w *Case) {
		for _, says := range []provider.CondResult{provider.CF_ACCEPT, provider.CF_REJECT} {
			i := w.install()
			i.layer(1, storey(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
				accept := next.WSPAccept
				return provider.ProcTable{WSPAccept: func(s *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
					asked, q := r.Cond, *r
					q.Cond = func(in *provider.Indication) provider.CondResult {
						if c := asked(in); c != provider.CF_ACCEPT {
							return c
						}
						return says
					}
					return accept(s, &q)
				}}, 0
			}), i.own(wsa.SOCK_STREAM))
			e := i.start(sockets.Config{})
			l, at := e.Listen()
			w.Want("WSPConnect", e.Connect(e.TCP(), at), 0)
			cond := &condition{says: provider.CF_ACCEPT}
			s, errno := e.WSPAccept(l, nil, nil, cond.proc, nil)
			want := wsa.Errno(0)
			if says == provider.CF_REJECT {
				want = wsa.ECONNREFUSED
			}
			w.Want("WSPAccept", errno, want)
			equal(w, "the application's was asked", cond.calls, 1)
			if errno == 0 {
				w.Want("close", e.WSPCloseSocket(s), 0)
			}
		}
	}},
	Row{Section: "5.7", Name: "an accepted socket is the chain's, and a layer's refusal closes the lower one", Run: func(w *Case) {
		i := w.install()
		refuse := false
		_, chains := i.layer(1, storey(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			accept, end := next.WSPAccept, next.WSPCloseSocket
			return provider.ProcTable{WSPAccept: func(l *provider.Socket, r *provider.AcceptRequest) (*provider.Socket, wsa.Errno) {
				s, e := accept(l, r)
				if e == 0 && refuse {
					end(s, provider.CloseAbort)
					return nil, wsa.ENOBUFS
				}
				return s, e
			}}, 0
		}), i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		l, at := e.Listen()
		w.Want("WSPConnect", e.Connect(e.TCP(), at), 0)
		_, info := e.infoBytes(e.Accept(l))
		equal(w, "its entry", info.CatalogEntryID, chains[0])
		refuse = true
		c := e.TCP()
		w.Want("WSPConnect", e.Connect(c, at), 0)
		_, errno := e.WSPAccept(l, nil, nil, nil, nil)
		w.Want("WSPAccept", errno, wsa.ENOBUFS)
		e.Await(c, wsa.FD_CLOSE)
	}},
	Row{Section: "5.8", Name: "a duplicate goes through the layers that its source goes through", Run: func(w *Case) {
		i := w.install()
		sent := 0
		i.layer(1, storey(func(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
			send, sendTo := next.WSPSend, next.WSPSendTo
			return provider.ProcTable{
				WSPSend: func(s *provider.Socket, m *provider.Msg) (int, wsa.Errno) { sent++; return send(s, m) }, WSPSendTo: sendTo,
			}, 0
		}), i.own(wsa.SOCK_STREAM))
		e := i.start(sockets.Config{})
		l, at := e.Listen()
		c := e.TCP()
		w.Want("WSPConnect", e.Connect(c, at), 0)
		info := new(provider.ProtocolInfo)
		w.Want("WSPDuplicateSocket", e.WSPDuplicateSocket(c, e.Session.Process(), info), 0)
		equal(w, "the chain's entry", info.Chain.Len, 2)
		again, errno := e.WSPSocket(-1, -1, -1, info, 0, 0)
		w.Want("WSPSocket", errno, 0)
		e.Send(again, "hello")
		equal(w, "text", e.Read(e.Accept(l), 5), "hello")
		equal(w, "sends that the layer saw", sent, 1)
		w.Want("close", e.WSPCloseSocket(again), 0)
	}},
)

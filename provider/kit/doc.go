// Package kit is for layers that wait or transform: TLS, SOCKS, compression, a
// look at the first bytes. The entries of a table never block, so such a layer
// would have to be a state machine with buffers and honest readiness. The kit is
// that machine, written once; the layer is one plain blocking function.
//
//	func (l layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
//		return kit.Conversation(r, next, kit.Config{}, func(ctx context.Context, x *kit.Exchange) error {
//			return x.Both(
//				func() error { return kit.Copy(x.Net, x.App) },
//				func() error { return kit.Copy(x.App, x.Net) },
//			)
//		}), 0
//	}
//
// It is not for layers that only decide (provider.Deciding) or only look at
// operations: those replace an entry or two and need neither goroutine nor buffer.
//
// # The conversation
//
// Each connected stream socket has an [Exchange]: App, a [Conn] towards the
// application, and Net, one towards the storey below. What the application sends
// is read from App, what is written to App it receives. The function runs on a
// goroutine of the chain ([provider.StartupRequest.Go]), one per connection, from
// the moment the connection stands, whether it was made by WSPConnect or taken
// by WSPAccept.
//
//   - It returns nil: App and Net are closed, what was written is delivered first.
//     io.EOF counts as nil. What the application sent and the function did not
//     read is lost, as on any connection whose end is closed.
//   - It returns an error: the connection is broken with the Errno in that error
//     (a timeout is ETIMEDOUT, anything without a code ECONNABORTED). The
//     application receives what is held for it, then the code, for ever.
//   - It panics: as any panic of a layer, that one socket fails (law 14).
//
// A reset by either side is an error of the Conn on that side, so a function
// that returns its errors hands a reset on. One half closed is io.EOF; [Copy]
// hands it on by CloseWrite.
//
// # The connect phase
//
// Without Config.Connect the kit passes WSPConnect down unchanged, with the
// errors that the storey below gives at once. With it, WSPConnect answers
// EWOULDBLOCK and Config.Connect runs: it calls [Exchange.Connect], with the
// destination asked for or another, may speak over Net (a proxy's handshake),
// and its error is the application's failed connect. A layer that went elsewhere
// still answers WSPGetPeerName with the peer asked for (law 11).
//
// # Handover
//
// A layer that has seen enough calls Conn.Handover: what arrives at that Conn
// from then on goes past the layer, straight to the storey below, for the cost of
// one atomic load an operation. Nothing is lost or reordered: it happens when
// nothing is held. The two directions are independent: a layer that waits for
// the ClientHello hands Net over at once and App when it has seen it.
//
// # Laws
//
// No entry blocks (law 2). Ready, FIONREAD and MSG_PEEK answer for the bytes
// held, exactly; FIN and errors wait behind them (law 5). Buffers are bounded
// (Config.Buffer each way): a full one is EWOULDBLOCK to the application and a
// blocked Write to the function. Below, one receive and one send run at a time
// (law 4), retries carry MSG_PENDED (law 7), and the base is closed once, when
// the last call below has returned (law 9).
//
// A closing application does not wait: WSPCloseSocket returns, what it had sent
// goes on to the function and from there down, and the base is closed in the
// background as soon as Net was closed for writing, or after Config.Linger.
// Until then the socket counts against the session's quota. CloseAbort, and
// SO_LINGER with 0 s, reset at once.
//
// There is no entry that resets a connection which stays open above. So after a
// function failed, the network learns of it when the application closes its
// socket, which its error tells it to do; the close is then a reset. A layer
// whose denial must not wait calls Exchange.Socket.Fail as well.
//
// Datagram sockets, and streams that are not connected, pass through untouched.
//
// # What an application can tell
//
// Under a layer of the kit a stream is what it is without, row by row of the Winsock
// suite, but for these. The end of a stream is told when what came before it was read
// (law 5), and not beside it. What is acknowledged to a sender has come as far as the
// layer, not the application. What a closed socket has sent and the layer still holds is
// lost when the session ends. TF_REUSE_SOCKET is EOPNOTSUPP, as are urgent data.
package kit

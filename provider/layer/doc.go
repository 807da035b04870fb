// Package layer is how to write a layered provider: this page, and a layer that works
// (example_test.go). The folders below are netnsd's own; policy is the one to read for a
// layer that decides, redirect for one that changes where a connection goes, metrics for
// one that looks on, shape for one that holds bytes back.
//
// # What a layer is
//
// A [provider.Layer] has one function, Startup. It is called for each chain that the layer
// stands in, is given the table of the storey below, and returns the entries that it
// replaces; the others stay those of the storey below. What is not replaced costs nothing.
//
//	func (l *Layer) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
//		connect := next.WSPConnect // capture the entry, not the table
//		return provider.ProcTable{
//			WSPConnect: func(s *provider.Socket, q *provider.ConnectRequest) wsa.Errno {
//				return connect(s, q)
//			},
//		}, 0
//	}
//
// Groups are replaced whole: WSPRecv with WSPRecvFrom, WSPSend with WSPSendTo, Ready with
// Watch; the builder says so, and which entry is missing.
//
// # Which of four kinds
//
//   - It decides: who may go where. Implement [provider.Decider] and return
//     [provider.Deciding] from Startup. It makes all the entries by which a destination can
//     be reached, explain and a reload ask the same function, and no byte passes the layer.
//   - It looks on: replace what begins and ends a socket (WSPSocket, WSPAccept,
//     WSPJoinLeaf, WSPConnect, WSPCloseSocket), and take bytes from [provider.Socket.Traffic].
//     Datagrams' destinations are told by [provider.StartupRequest.ObserveSends]. Verdicts
//     that no socket stands for are told to a [provider.Witness].
//   - It stands in the path of the bytes, and changes or counts them where they are:
//     replace the data entries. A flow of the gateway then runs on a goroutine of its own,
//     and each operation costs a guard. Where a socket is none of the layer's business
//     [provider.StartupRequest.StepAside] takes it out of the path.
//   - It waits or transforms (a protocol, a delay): package provider/kit turns the layer
//     around, into a function that blocks.
//
// # What it must not do
//
// The laws are in package provider. These are the ones that a layer breaks first:
//
//   - It never waits: EWOULDBLOCK now, and a wake later (law 2). A wake marks and
//     schedules, as it comes with the base's locks held (law 3).
//   - A data operation that is tried again says MSG_PENDED, and is counted once (law 7).
//   - Buffers are the caller's when the call returns (law 6). No operation allocates.
//   - Who holds bytes answers for them in Ready, FIONREAD and MSG_PEEK, and an end waits
//     behind them (law 5). If you hold bytes, use the kit.
//   - Goroutines and timers begin by [provider.StartupRequest] (Go, AfterFunc), so that the
//     chain's end waits for them and a panic in one is contained (law 14).
//
// # What it has
//
// State of a socket is a [provider.Slot], put where the socket is made and read without a
// lock. What outlives a version of the configuration (a file, a bucket, a quota) is a
// [provider.Resource] with a name, obtained in Startup: all chains and versions that ask
// for the name have the same. A live socket is ended by [provider.Socket.Fail], with a code and a
// reason that audit and ps show. r.Log has the chain and the layer in each line.
//
// Where it may stand it says by a [provider.Contract], and what its failure means by
// OnFailure: a layer that panics, never returns or lies about bytes loses the socket that
// it did so on, and after five such its breaker opens: under FailClosed no socket is made
// past it, under FailOpen without it.
//
// # Its tests
//
// Three lines hold it to the laws, alone and between others, on streams and datagrams:
//
//	func TestConform(t *testing.T) {
//		providertest.ConformLayer(t, func() provider.Layer { return New(Config{}) })
//	}
//
// [providertest.Main] as TestMain finds goroutines and descriptors that are left,
// [providertest.Build] is a chain over a scripted base for what is particular to the layer.
// What it costs is said by a benchmark with and without it, and by
// `netnsd bench --table every-layer` for those of this folder.
package layer

// Package provider is the Winsock 2 service provider interface in Go: the
// procedure table, layered providers, protocol chains, and the catalog that
// says which chain a socket takes.
//
// A [Base] makes sockets. A [Layer] stands on it and returns a [ProcTable] with
// only the entries that it replaces. A [Chain] is a finished house, built of a
// catalog entry by [Snapshot.Build]: its Table is the top storey's. What a
// socket is asked to do goes down from there, and an entry that nobody replaced
// is the base's own function: a layer that does not care costs nothing.
//
//	application        sockets.Session, the gateway
//	     │                 Chain.Table
//	┌────▼────┐
//	│ layer 0 │  audit     replaces Socket, Connect, Close …
//	├─────────┤
//	│ layer 1 │  policy    replaces Connect, SendTo, Accept …
//	├─────────┤
//	│  edge   │  the builder's: gives the base its own ProtocolInfo
//	├─────────┤
//	│  base   │  netstack | host | your driver under provider/base
//	└─────────┘
//
// [Snapshot.Resolve] is pure, and it is the function that chooses an entry:
// sockets, explain, audit and tests call it. [Chain.Decide] asks the deciding
// layers without touching a socket.
//
// A layer may end a socket later than WSPCloseSocket returns, to deliver bytes
// that it holds: the handle, and the quota, are free when the base has closed.
//
// Where a layer may stand in a chain it says itself ([Contract]); a chain that has it
// otherwise is not installed, and [Arrange] sorts layers. Policies compose by
// intersection: all are asked, and the first denial holds, so one more narrows and
// never widens.
//
// The package imports the standard library alone. It never waits: waiting is in
// package sockets. Names are the SDK's where the SDK has one.
//
// # The functions of the SPI
//
// Where each function of ws2spi.h is, and what differs. "Table" is [ProcTable],
// which a base or a layer fills; all 30 are in sockets.WSPProcTable as the SDK has
// them, over descriptors, and those that are not in Table are written there alone.
//
//	WSPAccept               Table   no caller data, QoS or groups; Into is AcceptEx
//	WSPAddressToString      Table   text is a string; UTF-16 in sockets
//	WSPAsyncSelect          sockets a MessageProc stands for the window and its message
//	WSPBind                 Table
//	WSPCancelBlockingCall   sockets of the table's Thread, as goroutines have no identity
//	WSPCleanup              Table   of a chain; in sockets it ends the session
//	WSPCloseSocket          Table   CloseMode says how; waiting (SO_LINGER) is in sockets
//	WSPConnect              Table   no connect data (EPROTONOSUPPORT), no QoS (EOPNOTSUPP)
//	WSPDuplicateSocket      Table   a process is a session of one sockets.Processes
//	WSPEnumNetworkEvents    sockets
//	WSPEventSelect          sockets
//	WSPGetOverlappedResult  sockets
//	WSPGetPeerName          Table
//	WSPGetSockName          Table   bound to the wildcard it is 0.0.0.0 and the port, as observed
//	WSPGetSockOpt           Table   SO_RCVTIMEO and SO_SNDTIMEO are the dispatcher's (sockets)
//	WSPGetQOSByName         sockets EINVAL: there are no templates
//	WSPIoctl                Table   FIONBIO, SIO_BASE_HANDLE, extension pointers: the dispatcher's
//	WSPJoinLeaf             Table   non-rooted planes; returns the socket itself
//	WSPListen               Table
//	WSPRecv                 Table   MSG_WAITALL and waiting: sockets
//	WSPRecvDisconnect       sockets SD_RECEIVE; data is ENOPROTOOPT
//	WSPRecvFrom             Table
//	WSPSelect               sockets the sockets may be of several providers
//	WSPSend                 Table
//	WSPSendDisconnect       sockets SD_SEND; data is ENOPROTOOPT
//	WSPSendTo               Table
//	WSPSetSockOpt           Table
//	WSPShutdown             Table
//	WSPSocket               Table   groups other than 0 are EINVAL
//	WSPStringToAddress      Table
//	WSPStartup              [Base].Startup, [Layer].Startup; sockets.WSPStartup for an application
//
// The upcalls (WPU*) are sockets.WSPUpcallTable, 15 in the SDK's order, and
// WPUCompleteOverlappedRequest beside it. A storey is given the two that it needs:
// WPUCreateSocketHandle and WPUGetProviderPath in [Upcalls].
//
// The WSC functions are methods of [Catalog] and [Snapshot] under their names:
// [Catalog.WSCInstallProvider], [Catalog.WSCInstallProviderAndChains],
// [Catalog.WSCDeinstallProvider] (which leaves no chain on nothing, as Windows'
// does), [Catalog.WSCUpdateProvider], [Catalog.WSCWriteProviderOrder],
// [Snapshot.WSCEnumProtocols], [Snapshot.WSAEnumProtocols],
// [Snapshot.WSCGetProviderPath], [Catalog.WSCSetProviderInfo],
// [Snapshot.WSCGetProviderInfo], [Catalog.WSCSetApplicationCategory] and
// [Snapshot.WSCGetApplicationCategory]; there are no 32-bit twins. In the SDK's form
// a chain has at most 7 entries, and an installer of Windows' kind cannot make a
// longer one; [Catalog.InstallChain] makes chains of [MaxStoreys]. A catalog lives
// in memory, or in a file if it is opened by [CatalogFile.Open].
//
// # The laws of the chain
//
// Every provider keeps them, and package providertest tests them. In brackets:
// the test, or what brings it.
//
//  1. Layer 0 is nearest the application. Building goes up from the base,
//     closing comes down from the roof; a half-built chain is undone.
//     [TestLaw01Order]
//  2. No operation blocks: EWOULDBLOCK now, readiness later. Waiting happens in
//     package sockets alone. No table call is made with a lock held that a wake
//     could take. [TestLaw02NothingBlocks]
//  3. Ready is a level with its causes (connect error, close error, bytes
//     queued); edges, once-only and re-arming are made in package sockets. Watch
//     installs one persistent watcher per storey. A wake marks and schedules,
//     nothing else: gVisor calls it under its own locks. Watch first, then
//     Ready. [TestLaw03Readiness]
//  4. Per socket at most one data operation per direction runs at a time;
//     control operations may run beside; close runs last and alone.
//     [TestLaw04OneOperationPerDirection]
//  5. Who holds bytes answers for them: Ready, FIONREAD (exact), MSG_PEEK; FIN
//     and errors wait behind held bytes; close drains or discards as linger
//     says. [TestLaw05HeldBytes, and provider/kit]
//  6. Buffers are not kept after the call. n > 0 means no error, but for the
//     truncated datagram: it fills the buffer and gives EMSGSIZE, and a layer
//     hands both on. [TestLaw06Buffers]
//  7. A retry of a pended operation says so (MSG_PENDED): it is judged by the
//     state at issue, and layers do not count it twice. [TestLaw07Pended]
//  8. Errors from below pass unchanged; a layer failing something gives one
//     Errno. A live socket is failed by [Socket.Fail]: readable, writable,
//     closed, every later operation returns it. [TestLaw08ErrorsPassUnchanged, TestLaw08Fail]
//  9. The base's close runs exactly once per Socket (handles may be several),
//     whatever the layers do. [TestLaw09CloseOnce]
//  10. ProtocolInfo goes down unmodified, with its chain; the base gets its own
//     entry. The five functions are WSPStartup, WSPSocket, WSPAddressToString,
//     WSPStringToAddress and WSPDuplicateSocket. The builder substitutes at the
//     base's edge, per chain; no layer can get it wrong, no base knows of
//     chains. dwProviderReserved is carried over. [TestLaw10ProtocolInfo,
//     TestLaw10EveryLayout]
//  11. A layer that changes where a connect goes answers WSPGetPeerName: the
//     application sees the peer that it asked for. [TestLaw11PeerName]
//  12. Extension functions (AcceptEx, ConnectEx, DisconnectEx, TransmitFile,
//     WSARecvMsg, WSASendMsg) are compositions over the table, written once in
//     package sockets; every layer sees them; no base exports one.
//     [TestLaw12Extensions, there]
//  13. A built chain is immutable and refcounted by its sockets. What must
//     survive a version is a named, refcounted [Resource] obtained at Startup.
//     Update(cfg) changes parameters under living sockets, all or nothing.
//     Reload builds the new version whole, swaps one pointer, and decides anew
//     for living sockets: [Catalog.Draft], and in packages sockets and gateway
//     Prepare and Rejudge. What is equal in both versions keeps its id and its chain
//     ([Snapshot.Same]). [TestLaw13Refcounts, TestLaw13Resources, TestDraftKeeps;
//     TestPrepare, TestRejudgeStream and TestLiving there; TestUpdate of layer/shape.]
//  14. The guard stands at every function value that crosses a storey (entries,
//     wake, timers, condition functions, kit functions). A panic, a call that does
//     not return and a lie about bytes each fail that socket, are counted by the
//     layer's breaker and reported with layer, place, chain and version
//     ([Report]). A layer starts goroutines and timers only through
//     [StartupRequest]; a test forbids the bare go statement in provider/layer.
//     on_failure is stated by every layer that decides. A flow with a layer's
//     data entry in its path never runs on a shared loop: [Socket.Direct] tells.
//     See "Containment" for the rest, and for what cannot be contained.
//     [TestLaw14Places, TestLaw14EveryPlace, TestLaw14Panics, TestLaw14Lies,
//     TestLaw14Leaks, TestLaw14StallBlamesTheLowest, TestLaw14BreakerClosed,
//     TestLaw14BreakerOpen, TestLaw14NoBareGo, TestLaw14OnFailure,
//     TestLaw14Direct, and TestFlowsShareLoops of sockets/gateway]
//  15. Bytes and packets are counted once, by the base, on the Socket; no layer
//     replaces a data entry to count. Where one has replaced an entry the guard is
//     a probe ([Chain.Probes]). [TestLaw15Counting, TestLaw15Probes,
//     TestLaw15ProbeLatency, TestLaw15ProbeVerdicts]
//
// # Containment
//
// What a layer does wrong is a [Report], of one of four kinds:
//
//   - Panicked: a function of it panicked, or ended a goroutine that was not its own.
//     The operation returns ECONNABORTED (SYSCALLFAILURE if there is no socket).
//   - Stalled: it has not returned within [BuildConfig.Budget], 10 s if nothing else is
//     said; no call of a layer may block. The watchdog sees it a quarter of the budget
//     later at most, fails the socket and blames the lowest layer that has not returned.
//     The call keeps its goroutine, and whoever waits for it; if it comes back, the
//     guards and the base below refuse it. The socket can be closed ([Socket.Stalled]):
//     WSPCloseSocket passes by the layer that stalls, and is completed below if it
//     stalls itself. A chain whose WSPStartup does not return is not built.
//   - Lied: a data entry moved fewer than no bytes, more than there was room for, or
//     some and failed (law 6, but for the truncated datagram); or another entry returned
//     what its caller would stumble over: no socket and no error, a value longer than its
//     buffer.
//   - Leaked: goroutines that go on after the chain's end. The end waits for them no
//     longer than the budget, but keeps the layers' resources until they come back.
//     Timers are stopped; a socket keeps its chain from ending.
//
// Each layer has a breaker in the chains of one name, for all their versions and for the
// sessions that share their [Resources]. Five reports in a minute open it
// ([BreakerConfig]). Sockets that live are not touched. What becomes of new ones is what
// the layer states by OnFailure. Closed, which holds if it states nothing: WSPSocket fails
// with EPROVIDERFAILEDINIT, a listener's connections are reset, and what is decided
// without a socket is denied; nothing passes unchecked. Open: sockets are made without the
// layer, for the whole of their lives. After 30 s without a failure one socket is tried;
// when that is closed, or has lived for another 30 s, and nothing was reported, the breaker
// closes. [Chain.Breakers] tells.
//
// What cannot be contained: an error at which the runtime ends the process (concurrent map
// writes, a stack overflow, no memory); an endless loop, which keeps its processor as well
// as its goroutine; and a wake that does not return, which keeps the goroutine of the base
// that called it, with the locks that it holds. Under netstack that is one of the few that
// handle all packets. The watchdog reports it, and other wakes of the socket pass.
//
// # Probes
//
// Every boundary above a layer is a [Probe] in the entries that the layer has replaced:
// operations, bytes, errors, verdicts, reports, and the time that the layer adds. In the
// others its boundary is the next one below, and so are its figures.
//
// # What a storey costs
//
// An entry that a layer does not replace is the base's own function and costs nothing. The
// guard of a data entry costs 10 ns an operation and allocates nothing: 4 ns to contain a
// panic, 4 for the watchdog and the look at the bytes, 2 for the probe, the clock that is
// read for one operation in 256 included (BenchmarkSend of providertest; 6 layers, 62 ns).
// The guard of another entry costs some 30 ns, as its calls may run beside each other. A
// breaker is an atomic load for each new socket, a socket has 224 bytes for each layer that
// is called for it, and the watchdog looks at those every quarter of a budget.
package provider

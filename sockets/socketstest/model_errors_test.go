package socketstest_test

import (
	"slices"

	"github.com/netnsd/netnsd/provider/wsa"
)

// documented are the codes that winsock-spi lists for a function. Not repeated: those
// of nearly all, which the model allows where it knows why: ENOTSOCK on a descriptor
// that is closed, NOTINITIALISED and ENETDOWN after WSPCleanup, ECONNABORTED after a
// transfer that was cancelled half-way (3.7). EINPROGRESS is nobody's.
var documented = map[string][]wsa.Errno{
	"WSPCleanup": {wsa.NOTINITIALISED}, // 3.2
	"WSPAccept": {wsa.ECONNREFUSED, wsa.ECONNRESET, wsa.EFAULT, wsa.EINTR, wsa.EINVAL, wsa.EMFILE, wsa.ENOBUFS,
		wsa.EOPNOTSUPP, wsa.TRY_AGAIN, wsa.EWOULDBLOCK, wsa.EACCES}, // 3.3
	"WSPAddressToString":    {wsa.EFAULT, wsa.EINVAL},                                                                               // 3.4
	"WSPAsyncSelect":        {wsa.EINVAL},                                                                                           // 3.5
	"WSPBind":               {wsa.EADDRINUSE, wsa.EACCES, wsa.EADDRNOTAVAIL, wsa.EFAULT, wsa.EINVAL, wsa.ENOBUFS, wsa.EAFNOSUPPORT}, // 3.6, with [OBS]
	"WSPCancelBlockingCall": {wsa.EINVAL},                                                                                           // 3.7
	"WSPCloseSocket":        {wsa.EWOULDBLOCK},                                                                                      // 3.8
	"WSPConnect": {wsa.EADDRINUSE, wsa.EINTR, wsa.EALREADY, wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.ECONNREFUSED,
		wsa.EFAULT, wsa.EINVAL, wsa.EISCONN, wsa.ENETUNREACH, wsa.EHOSTUNREACH, wsa.ENOBUFS, wsa.EOPNOTSUPP,
		wsa.EPROTONOSUPPORT, wsa.ETIMEDOUT, wsa.EWOULDBLOCK, wsa.EACCES}, // 3.9
	"WSPDuplicateSocket":   {wsa.EINVAL, wsa.EFAULT, wsa.EMFILE, wsa.ENOBUFS}, // 3.10
	"WSPEventSelect":       {wsa.EINVAL},                                      // 3.11
	"WSPEnumNetworkEvents": {wsa.EINVAL},                                      // 3.12
	"WSPGetOverlappedResult": {wsa.INVALID_HANDLE, wsa.EINVAL, wsa.IO_INCOMPLETE,
		wsa.EINTR /* 3.7: it may block */}, // 3.13; and the operation's own
	"WSPGetPeerName":  {wsa.EFAULT, wsa.ENOTCONN},                                                                                                                                                                                                             // 3.14
	"WSPGetSockName":  {wsa.EFAULT, wsa.EINVAL, wsa.ENOTCONN /* 5.9: AcceptEx's */},                                                                                                                                                                           // 3.15
	"WSPGetSockOpt":   {wsa.EFAULT, wsa.EINVAL, wsa.ENOPROTOOPT},                                                                                                                                                                                              // 3.16
	"WSPGetQOSByName": {wsa.EFAULT, wsa.EINVAL},                                                                                                                                                                                                               // 3.17
	"WSPIoctl":        {wsa.IO_PENDING, wsa.EFAULT, wsa.EINVAL, wsa.EOPNOTSUPP, wsa.ENOPROTOOPT, wsa.EWOULDBLOCK, wsa.ENETUNREACH /* 9.6 SIO_ROUTING_INTERFACE_QUERY */, wsa.EINTR /* 3.7 */, wsa.EACCES /* 5.10: SIO_BASE_HANDLE under a mandatory chain */}, // 3.18
	"WSPJoinLeaf": {wsa.EADDRINUSE, wsa.EINTR, wsa.EALREADY, wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.ECONNREFUSED,
		wsa.EFAULT, wsa.EISCONN, wsa.ENETUNREACH, wsa.ENOBUFS, wsa.EOPNOTSUPP, wsa.EPROTONOSUPPORT, wsa.ETIMEDOUT,
		wsa.EINVAL /* 7.3: the flags */}, // 7.3
	"WSPListen": {wsa.EADDRINUSE, wsa.EINVAL, wsa.EISCONN, wsa.EMFILE, wsa.ENOBUFS, wsa.EOPNOTSUPP}, // 3.20
	"WSPRecv":   slices.Concat(receiveErrors, []wsa.Errno{wsa.ENOTCONN, wsa.ECONNABORTED}),          // 3.21
	"WSPRecvDisconnect": {wsa.EFAULT, wsa.ENOPROTOOPT, wsa.ENOTCONN,
		wsa.ECONNRESET, wsa.ECONNABORTED /* 3.28: it is WSPShutdown */}, // 3.22
	// 3.23: without ENOTCONN and ECONNABORTED on a datagram socket; on a stream it is WSPRecv.
	"WSPRecvFrom": slices.Concat(receiveErrors, []wsa.Errno{wsa.ENOTCONN, wsa.ECONNABORTED, wsa.EISCONN}),
	"WSPSelect":   {wsa.EFAULT, wsa.EINVAL, wsa.EINTR},                                                                            // 3.24
	"WSPSend":     sendErrors,                                                                                                     // 3.25
	"WSPSendTo":   slices.Concat(sendErrors, []wsa.Errno{wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.EDESTADDRREQ, wsa.ENETUNREACH}), // 3.26
	"WSPSetSockOpt": {wsa.EFAULT, wsa.EINVAL, wsa.ENETRESET, wsa.ENOPROTOOPT, wsa.ENOTCONN,
		wsa.EADDRNOTAVAIL /* 7.4 */}, // 3.27
	"WSPSendDisconnect":  {wsa.ENOPROTOOPT, wsa.ENOTCONN, wsa.EFAULT, wsa.ECONNRESET, wsa.ECONNABORTED},                                                                             // 3.28
	"WSPShutdown":        {wsa.EINVAL, wsa.ENOTCONN, wsa.ECONNABORTED, wsa.ECONNRESET},                                                                                              // 3.28
	"WSPSocket":          {wsa.EAFNOSUPPORT, wsa.EMFILE, wsa.ENOBUFS, wsa.EPROTONOSUPPORT, wsa.EPROTOTYPE, wsa.ESOCKTNOSUPPORT, wsa.EINVAL, wsa.EACCES, wsa.EFAULT, wsa.EOPNOTSUPP}, // 3.29
	"WSPStringToAddress": {wsa.EFAULT, wsa.EINVAL},                                                                                                                                  // 3.30
	"WSPStartup":         {wsa.VERNOTSUPPORTED, wsa.EFAULT},                                                                                                                         // 3.1

	// 5.9 and 6.2: what the operation that it stands for may give, and that it has started.
	"AcceptEx": {wsa.IO_PENDING, wsa.ECONNRESET, wsa.EFAULT, wsa.EINVAL, wsa.EOPNOTSUPP, wsa.ENOBUFS, wsa.EACCES},
	"ConnectEx": {wsa.IO_PENDING, wsa.EADDRINUSE, wsa.EALREADY, wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.ECONNREFUSED, wsa.EFAULT,
		wsa.EINVAL, wsa.EISCONN, wsa.ENETUNREACH, wsa.EHOSTUNREACH, wsa.ENOBUFS, wsa.ETIMEDOUT, wsa.EOPNOTSUPP /* a datagram socket */},
	"DisconnectEx":    {wsa.IO_PENDING, wsa.EINVAL, wsa.ENOTCONN, wsa.EWOULDBLOCK, wsa.EINTR, wsa.ETIMEDOUT, wsa.ECONNRESET, wsa.ECONNABORTED, wsa.ESHUTDOWN, wsa.ENOBUFS, wsa.EOPNOTSUPP},
	"TransmitFile":    slices.Concat(sendErrors, []wsa.Errno{wsa.SYSCALLFAILURE /* the file */, wsa.EDESTADDRREQ}),
	"TransmitPackets": slices.Concat(sendErrors, []wsa.Errno{wsa.SYSCALLFAILURE, wsa.EDESTADDRREQ}),
	"WSARecvMsg":      receiveErrors,
	"WSASendMsg":      slices.Concat(sendErrors, []wsa.Errno{wsa.EADDRNOTAVAIL, wsa.EAFNOSUPPORT, wsa.EDESTADDRREQ, wsa.ENETUNREACH}),
	"WSAPoll":         {wsa.EINVAL},
	"CancelIoEx":      {wsa.EINVAL},
	"Associate":       {wsa.EINVAL, wsa.INVALID_HANDLE},
}

// receiveErrors are those of WSPRecv and WSPRecvFrom (3.21, 3.23). EHOSTUNREACH and
// ENETUNREACH are not in the tables, which know of ICMP only that a port is unreachable
// and that a TTL has run out; base tells a datagram socket what else there is.
var receiveErrors = []wsa.Errno{
	wsa.EINTR, wsa.ENETRESET, wsa.EFAULT, wsa.EOPNOTSUPP, wsa.ESHUTDOWN, wsa.EWOULDBLOCK, wsa.EMSGSIZE, wsa.EINVAL,
	wsa.ECONNRESET, wsa.ETIMEDOUT, wsa.EDISCON, wsa.IO_PENDING, wsa.OPERATION_ABORTED,
	wsa.EHOSTUNREACH, wsa.ENETUNREACH,
}

// sendErrors are those of WSPSend (3.25).
var sendErrors = []wsa.Errno{
	wsa.EACCES, wsa.EINTR, wsa.EFAULT, wsa.ENETRESET, wsa.ENOBUFS, wsa.ENOTCONN, wsa.EOPNOTSUPP, wsa.ESHUTDOWN,
	wsa.EWOULDBLOCK, wsa.EMSGSIZE, wsa.EINVAL, wsa.ECONNABORTED, wsa.ECONNRESET, wsa.EHOSTUNREACH, wsa.ETIMEDOUT,
	wsa.IO_PENDING, wsa.OPERATION_ABORTED,
}

// eventErrors are the codes that a network event may come with (6.4).
var eventErrors = map[wsa.Events][]wsa.Errno{
	wsa.FD_READ:                     {wsa.ENETDOWN},
	wsa.FD_WRITE:                    {wsa.ENETDOWN},
	wsa.FD_OOB:                      {wsa.ENETDOWN},
	wsa.FD_ACCEPT:                   {wsa.ENETDOWN},
	wsa.FD_CONNECT:                  {wsa.EAFNOSUPPORT, wsa.ECONNREFUSED, wsa.ENETUNREACH, wsa.ENOBUFS, wsa.ETIMEDOUT, wsa.EFAULT, wsa.EINVAL, wsa.EISCONN, wsa.EMFILE, wsa.ENOTCONN, wsa.EHOSTUNREACH /* 3.9 */},
	wsa.FD_CLOSE:                    {wsa.ENETDOWN, wsa.ECONNRESET, wsa.ECONNABORTED},
	wsa.FD_ROUTING_INTERFACE_CHANGE: {wsa.ENETUNREACH, wsa.ENETDOWN},
	wsa.FD_ADDRESS_LIST_CHANGE:      {wsa.ENETDOWN},
}

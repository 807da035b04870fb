// Package wsa holds the numbers and names of Winsock 2: error codes, address
// families, socket types, options, ioctls, flags and network events.
//
// Names are spelled as in the SDK headers (winsock2.h, ws2spi.h, ws2ipdef.h,
// mstcpip.h), error codes less their WSA prefix: WSAEWOULDBLOCK is
// [EWOULDBLOCK]. Values are those of the headers too, so that a trace of ours
// reads like a trace of Windows. Whatever is not in an SDK header says so.
//
// The package imports the standard library alone and builds everywhere.
package wsa

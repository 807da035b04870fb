// Package metrics is the layer that adds up what sockets do: by the rule that let them
// pass or did not, by the name that they went to, and by the program that they are of.
//
//	rule     policy: *.example.com:443     sockets 41, denied 0, in 12 MB, out 80 kB
//	name     api.example.com               sockets 40, denied 0, in 11 MB, out 79 kB
//	process  /usr/bin/curl                 sockets 41, denied 3, in 12 MB, out 80 kB
//
// # What is counted
//
// A socket counts as one of the rule, name and process of each destination that it is
// given: that of its WSPConnect, its peer's if it was accepted, each to which it has sent
// datagrams. What it moves counts for the last of them. A name is the server name of its
// ClientHello once that is known, then the one that was dialled, then the first of those
// that the name service gave out for the address, then the address. Rule is the layer and
// the text of the verdict, and "-" where no layer has an opinion. Process is the path of
// its executable, and "-" if nobody knows, or if Config.Processes is not set: to ask whose
// a flow is costs something for each.
//
// Denied are the connects, destinations of datagrams and clients that a layer below has
// denied, and the lookups at a gateway's name service, under the name that was asked for.
//
// Bytes are those that the base has counted (law 15 of package provider): the layer
// replaces no data entry, a socket stays on the shared loops, and the short cut of
// datagrams open. A connect costs three lookups in a map, and so does a close
// (BenchmarkConnect).
//
// # Bounds
//
// At most Config.Keys keys of each kind are told apart, the others count as "other": a
// program that makes up names grows nothing. A [Layer] is its own memory: to have totals
// outlive a version of the configuration, install the same one in the next.
package metrics

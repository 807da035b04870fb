// Package shadow puts a layer that decides into a chain without its being obeyed:
// what it would deny passes, and the verdict on it says so (provider.Verdict,
// Shadow). So a policy can be tried on a program before it can break it; audit
// writes the verdicts down.
//
// Other layers that decide are obeyed as ever. A panic in the layer that is tried
// denies nothing, whatever its OnFailure says.
//
// # What is counted
//
// [Layer.Count] is for a summary: connections, each once, be it for where they
// went or for the server name that their ClientHello asked for; sockets that would
// not have listened, and connections that would not have been taken; of datagrams
// the destinations, groups that are joined among them, and of lookups the names. Of the
// last two 4096 are remembered; past that one may be counted again.
package shadow

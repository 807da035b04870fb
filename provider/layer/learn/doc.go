// Package learn is the layer that watches where a program goes and makes the
// least policy of it with which the program can go there again. It decides
// nothing and changes nothing.
//
// It stands above the layer that decides: what that denies, at the connect or by
// the server name that a ClientHello asks for, is not learnt. Whether a connection
// came about does not matter; the program tried, and was let. Below it belongs
// provider/layer/sni, without which no ClientHello is read; a hello that sni refuses
// is refused while learning, too.
//
// # By which name
//
// A destination is written by name where one is known, as addresses change:
//
//   - the server name of the ClientHello, if it is one of the names that the name
//     service gave the address for. If it is none of them, or there is none in the
//     hello, no rule by name would let that hello pass (see package policy): then
//     the rule is by address.
//   - without a ClientHello, the name that the program dialled, if it said so, else
//     of the names that the address has the one that was answered last before the
//     connect. The others that were answered, and to which no connection is put down
//     in the end, are given the same ports, as nothing says which was meant.
//   - the address, where there is no name, or one that cannot stand in a rule, or one
//     that leads to a private address: rules by name do not open those (rebind).
//
// A name that has ended when the program connects, as it kept the address longer than
// the name service's answer lives, is not known any more, to a rule by name neither: the
// rule is by address, and holds as long as the name leads there.
//
// Protocols are always said. So QUIC to a name is learnt too (udp: and port 443),
// which a rule without the protocol would not let pass.
//
// # Lookups
//
// A lookup is denied unless some rule allows the name, so a name that was looked
// up, found, and then not connected to needs a rule of its own. The least that
// there is allows ping beside: icmp:example.com. A rule by the bare name would open
// all its ports, to which the program has not gone. Lookups that found nothing need
// no rule: to the program a denied one looks the same.
//
// # What is not in the policy
//
// Who asked, and the conditions of the rules that the run was under: what they let
// pass is allowed to every process, at any time.
//
// Listening is allowed unless a policy denies it, and stays so. More than 65536
// destinations and names are not kept: then [Layer.Policy] gives an error, as it
// does for a policy that is longer than one can be.
package learn

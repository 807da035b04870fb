package tun

import "net/netip"

// Route is a route through a Link.
type Route struct {
	// Dst is the destination; 0.0.0.0/0 and ::/0 are the default routes.
	Dst netip.Prefix
	// Via is the next hop. Not valid: the destination is on the link, as on a TUN it may always be.
	Via netip.Addr
	// Src is the preferred source address. Not valid: the kernel chooses.
	Src netip.Addr
	// Metric, lower wins. 0 is the kernel's default, 1024 for IPv6.
	Metric int
}

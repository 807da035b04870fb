package policy

import "net/netip"

// Resolvers that anybody can ask over HTTPS, as their providers publish them (2026):
// those that browsers and operating systems offer, and the large ones beside. The
// list is not complete and cannot be: anybody can set one up.
var (
	resolverNames = hosts(
		"dns.google", "dns64.dns.google",
		"cloudflare-dns.com", "*.cloudflare-dns.com", "one.one.one.one",
		"dns.quad9.net", "dns9.quad9.net", "dns10.quad9.net", "dns11.quad9.net", "dns12.quad9.net",
		"dns.opendns.com", "doh.opendns.com", "doh.familyshield.opendns.com", "dns.umbrella.com", "doh.umbrella.com",
		"dns.nextdns.io", "*.dns.nextdns.io", "dns.adguard.com", "*.adguard-dns.com", "doh.cleanbrowsing.org",
		"freedns.controld.com", "dns.controld.com", "*.dns.controld.com", "dns.mullvad.net", "*.dns.mullvad.net",
		"doh.xfinity.com", "*.canadianshield.cira.ca", "dns.sb", "doh.dns.sb", "doh.sb", "doh.libredns.gr", "odvr.nic.cz",
		"doh.applied-privacy.net", "dns.digitale-gesellschaft.ch", "dns0.eu", "*.dns0.eu", "doh.dns4all.eu", "*.joindns4.eu",
		"dns.alidns.com", "doh.pub", "doh.360.cn", "*.dot.dns.yandex.net",
	)
	resolverAddrs = networks(
		// Google
		"8.8.8.8/32", "8.8.4.4/32", "2001:4860:4860::8888/128", "2001:4860:4860::8844/128", "2001:4860:4860::64/128", "2001:4860:4860::6464/128",
		// Cloudflare
		"1.1.1.0/30", "1.0.0.0/30", "2606:4700:4700::/112",
		// Quad9
		"9.9.9.9/32", "9.9.9.10/31", "9.9.9.12/32", "149.112.112.112/32", "149.112.112.9/32", "149.112.112.10/31", "149.112.112.12/32", "2620:fe::/64",
		// OpenDNS
		"208.67.220.220/32", "208.67.222.222/32", "208.67.220.123/32", "208.67.222.123/32", "2620:119:35::35/128", "2620:119:53::53/128",
		// NextDNS, AdGuard, CleanBrowsing, Control D, Mullvad
		"45.90.28.0/24", "45.90.30.0/24", "94.140.14.14/31", "94.140.14.140/31", "94.140.15.15/32", "94.140.15.16/32", "185.228.168.0/24", "185.228.169.0/24", "76.76.2.0/24", "76.76.10.0/24", "194.242.2.0/24",
		// DNS.SB, AliDNS, DNSPod, Yandex, dns0.eu
		"185.222.222.222/32", "45.11.45.11/32", "223.5.5.5/32", "223.6.6.6/32", "1.12.12.12/32", "120.53.53.53/32", "77.88.8.0/28", "193.110.81.0/32", "185.253.5.0/32",
	)
)

// resolverHosts are the single ones of resolverAddrs, resolverNets the others.
var resolverHosts, resolverNets = func() (map[netip.Addr]struct{}, []netip.Prefix) {
	hosts, nets := make(map[netip.Addr]struct{}), []netip.Prefix(nil)
	for _, p := range resolverAddrs {
		if p.IsSingleIP() {
			hosts[p.Addr()] = struct{}{}
		} else {
			nets = append(nets, p)
		}
	}
	return hosts, nets
}()

// heraldNames are asked before a client takes to DNS over HTTPS by itself: whether it
// may (Mozilla's canary domain), and whom it then asks (RFC 9462).
var heraldNames = hosts("use-application-dns.net", "resolver.arpa", "*.resolver.arpa")

func hosts(texts ...string) (all []host) {
	for _, t := range texts {
		x, err := ParseExpr(t)
		if err != nil {
			panic(err) // texts are constants
		}
		all = append(all, x.host)
	}
	return all
}

func named(all []host, name string) bool {
	for i := range all {
		if all[i].names(name) {
			return true
		}
	}
	return false
}

func isResolver(a netip.Addr) bool {
	if _, there := resolverHosts[a]; there || !a.IsValid() {
		return there
	}
	for _, p := range resolverNets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

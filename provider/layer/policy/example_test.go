package policy_test

import (
	"fmt"
	"net/netip"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/policy"
	"github.com/netnsd/netnsd/provider/wsa"
)

func Example() {
	p, err := policy.Parse("agent.yaml", []byte(`
version: 1
rules:
  - allow: "api.example.com:443"
  - deny: metadata
    note: credentials
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	facts := provider.Facts{
		Type: wsa.SOCK_STREAM, Protocol: wsa.IPPROTO_TCP,
		Remote: provider.AddrFrom(netip.MustParseAddrPort("192.0.2.7:443")),
		Names:  []string{"api.example.com"},
	}
	fmt.Println(p.Decide(facts, provider.OpConnect))
	facts.Remote, facts.Names = provider.AddrFrom(netip.MustParseAddrPort("169.254.169.254:80")), nil
	fmt.Println(p.Decide(facts, provider.OpConnect))
	// Output:
	// allow (allow api.example.com:443) at agent.yaml:4:12
	// deny WSAEACCES (deny metadata # credentials) at agent.yaml:5:11
}

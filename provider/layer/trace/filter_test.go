package trace

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

var only80 = []Target{{Ports: provider.PortRange{First: 80, Last: 80}}}

// TestDirect: without data operations the layer is not in the path of the bytes.
func TestDirect(t *testing.T) {
	for _, c := range []struct {
		name           string
		protocol       int32
		config         Config
		before, direct bool // before and after a connect to port 80
	}{
		{"all", wsa.IPPROTO_TCP, Config{}, false, false},
		{"all", wsa.IPPROTO_UDP, Config{}, false, false},
		{"control", wsa.IPPROTO_TCP, Config{Ops: Control}, false, true},
		{"control", wsa.IPPROTO_UDP, Config{Ops: Control}, true, true},
		{"control less connect", wsa.IPPROTO_TCP, Config{Ops: Control &^ opConnect.set()}, true, true},
		{"another destination", wsa.IPPROTO_TCP, Config{To: []Target{{Ports: provider.PortRange{First: 81, Last: 81}}}}, false, true},
		{"this destination", wsa.IPPROTO_TCP, Config{To: only80}, false, false},
		{"another destination", wsa.IPPROTO_UDP, Config{To: []Target{{Ports: provider.PortRange{First: 81, Last: 81}}}}, false, false},
	} {
		t.Run(c.name+" "+wsa.ProtocolName(c.protocol), func(t *testing.T) {
			r := trace(t, new(providertest.Base), c.protocol, c.config)
			s := r.socket()
			if direct := s.Direct() != nil; direct != c.before {
				t.Errorf("direct is %v before the connect", direct)
			}
			r.connect(s, "192.0.2.1:80")
			if direct := s.Direct() != nil; direct != c.direct {
				t.Errorf("direct is %v", direct)
			}
			r.tab.WSPCloseSocket(s, provider.CloseAbort)
		})
	}
}

func TestFilter(t *testing.T) {
	r := trace(t, new(providertest.Base), wsa.IPPROTO_UDP, Config{To: only80})
	here, there, none := r.socket(), r.socket(), r.socket()
	r.connect(there, "192.0.2.1:81")
	r.connect(here, "192.0.2.1:80")
	for _, s := range []*provider.Socket{here, there, none} {
		r.tab.WSPSend(s, message(3, 0))
		m := message(4, 0)
		m.Addr = addr("192.0.2.9:80")
		r.tab.WSPSendTo(s, m)
		m.Addr = addr("192.0.2.9:81")
		r.tab.WSPSendTo(s, m)
		r.tab.WSPShutdown(s, wsa.SD_BOTH)
		r.tab.WSPCloseSocket(s, provider.CloseAbort)
	}
	r.want(
		"#1 curl[4711] connect 192.0.2.1:80 = 0", "#1 curl[4711] send 3 = 3", "#1 curl[4711] sendto 192.0.2.9:80 4 = 4",
		"#1 curl[4711] sendto 192.0.2.9:81 4 = 4", "#1 curl[4711] shutdown SD_BOTH = 0", "#1 curl[4711] close abort = 0",
		"#2 curl[4711] sendto 192.0.2.9:80 4 = 4", "#3 curl[4711] sendto 192.0.2.9:80 4 = 4",
	)
}

// TestGatewaysSocket: a flow has its destination from its birth.
func TestGatewaysSocket(t *testing.T) {
	r := trace(t, new(providertest.Base), wsa.IPPROTO_TCP, Config{To: only80, Ops: opSocket.set()})
	for _, to := range []string{"192.0.2.1:80", "192.0.2.1:81"} {
		q := r.rig.Request()
		q.Origin = &provider.Origin{UID: -1, Destination: addr(to)}
		s, e := r.tab.WSPSocket(q)
		if e != 0 {
			t.Fatal(e)
		}
		r.tab.WSPCloseSocket(s, provider.CloseAbort)
	}
	r.want("#1 socket inet stream tcp = 0")
}

// floor ends what is measured: the recording of the base below it is not.
type floor struct{}

func (floor) Startup(_ *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	end := func(_ *provider.Socket, m *provider.Msg) (int, wsa.Errno) { return m.Len(), 0 }
	return provider.ProcTable{WSPRecv: end, WSPRecvFrom: end, WSPSend: end, WSPSendTo: end}, 0
}

// TestAllocs: a data operation that has no line allocates nothing.
func TestAllocs(t *testing.T) {
	for _, c := range []struct {
		name     string
		protocol int32
		config   Config
		writes   bool
	}{
		{"by operation", wsa.IPPROTO_TCP, Config{Ops: Control}, false},
		{"by the other direction", wsa.IPPROTO_TCP, Config{Ops: opRecv.set()}, false},
		{"by destination", wsa.IPPROTO_TCP, Config{To: only80}, false},
		{"by destination", wsa.IPPROTO_UDP, Config{To: only80}, false},
		{"not", wsa.IPPROTO_UDP, Config{}, true},
	} {
		t.Run(c.name+" "+wsa.ProtocolName(c.protocol), func(t *testing.T) {
			out := new(counter)
			c.config.Output = out
			rig := providertest.Build(t, new(providertest.Base), c.protocol, New(c.config), floor{})
			tab := &rig.Chain.Table
			s := rig.Socket(t)
			tab.WSPConnect(s, &provider.ConnectRequest{To: addr("192.0.2.1:81")})
			m := message(100, 0)
			m.Addr = addr("192.0.2.1:81")
			n := testing.AllocsPerRun(100, func() {
				tab.WSPSend(s, m)
				tab.WSPSendTo(s, m)
			})
			if !c.writes && n != 0 {
				t.Errorf("%v allocations", n)
			}
			tab.WSPCloseSocket(s, provider.CloseAbort)
			providertest.End(t, rig.Chain)
			if wrote := out.n > 500; wrote != c.writes { // control operations have a few lines
				t.Errorf("%d bytes were written", out.n)
			}
		})
	}
}

type counter struct{ n int }

func (c *counter) Write(b []byte) (int, error) { c.n += len(b); return len(b), nil }

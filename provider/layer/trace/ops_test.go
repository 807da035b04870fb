package trace

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/providertest"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestEveryEntry: each function of the table has its line, but for Ready and Watch.
func TestEveryEntry(t *testing.T) {
	r := trace(t, new(providertest.Base), wsa.IPPROTO_UDP, Config{Data: 4})
	tab, s := r.tab, r.socket()
	r.connect(s, "192.0.2.1:80")
	tab.WSPBind(s, addr("10.0.0.1:5000"))
	tab.WSPListen(s, 5)
	n, _ := tab.WSPAccept(s, new(provider.AcceptRequest))
	tab.WSPJoinLeaf(s, &provider.JoinRequest{To: addr("224.0.0.9:9")})
	tab.WSPDuplicateSocket(s, 12)
	tab.WSPGetSockName(s)
	tab.WSPGetPeerName(s)
	tab.WSPAddressToString(addr("192.0.2.1:80"), r.rig.Request().Info)
	tab.WSPStringToAddress("192.0.2.1\n", wsa.AF_INET, r.rig.Request().Info)
	tab.WSPShutdown(s, wsa.SD_SEND)
	tab.WSPGetSockOpt(s, wsa.SOL_SOCKET, wsa.SO_RCVBUF, []byte{1, 1, 0, 0})
	tab.WSPSetSockOpt(s, wsa.IPPROTO_TCP, wsa.TCP_NODELAY, []byte{1, 0, 0, 0})
	tab.WSPSetSockOpt(s, 77, 0x99, make([]byte, 7))
	tab.WSPIoctl(s, &provider.IoctlRequest{Code: wsa.FIONREAD, Out: make([]byte, 4)})
	tab.WSPIoctl(s, &provider.IoctlRequest{Code: 7, In: make([]byte, 2)})
	msg := func(text string, f wsa.MsgFlags) *provider.Msg {
		return &provider.Msg{Buffers: [][]byte{[]byte(text)[:1], []byte(text)[1:]}, Flags: f}
	}
	tab.WSPSend(s, msg("a\"\x00b", 0))
	to := msg("hello", wsa.MSG_DONTROUTE)
	to.Addr = addr("192.0.2.9:53")
	tab.WSPSendTo(s, to)
	providertest.Inject(s, []byte("answer"))
	tab.WSPRecv(s, msg("1234567890", wsa.MSG_PEEK))
	from := msg("1234", 0)
	from.Addr = addr("192.0.2.9:53")
	tab.WSPRecvFrom(s, from)
	tab.WSPCloseSocket(n, provider.CloseAbort)
	tab.WSPCloseSocket(s, provider.CloseLinger)
	ticked := "#1 curl[4711] "
	r.want(
		ticked+"socket inet dgram udp = 0",
		ticked+"connect 192.0.2.1:80 = 0",
		ticked+"bind 10.0.0.1:5000 = 0",
		ticked+"listen 5 = 0",
		ticked+"accept #2 = 0",
		ticked+"joinleaf 224.0.0.9:9 = 0",
		ticked+"duplicate 12 = 0",
		ticked+"getsockname = 0 0.0.0.0:1",
		ticked+"getpeername = 0 192.0.2.1:80",
		"#- addresstostring 192.0.2.1:80 = 0 192.0.2.1:80",
		`#- stringtoaddress "192.0.2.1\n" inet = 0 0.0.0.0:0`,
		ticked+"shutdown SD_SEND = 0",
		ticked+"getsockopt SOL_SOCKET SO_RCVBUF = 4 [257]",
		ticked+"setsockopt IPPROTO_TCP TCP_NODELAY [1] = 0",
		ticked+"setsockopt 77 0x99 (7 bytes) = 0",
		ticked+"ioctl FIONREAD in=0 out=4 = 0",
		ticked+"ioctl 0x00000007 in=2 out=0 = 0",
		ticked+`send 4 "a\"\x00b" = 4`,
		ticked+`sendto 192.0.2.9:53 5 MSG_DONTROUTE "hell"... = 5`,
		ticked+`recv 10 MSG_PEEK "answ"... = 6`,
		ticked+`recvfrom 4 "answ" = 4 WSAEMSGSIZE from 192.0.2.9:53`,
		"#2 curl[4711] close abort = 0",
		ticked+"close = 0",
	)
	if !strings.Contains(r.out.String(), "#- cleanup = 0") {
		t.Error("WSPCleanup has no line")
	}
	fields := reflect.TypeFor[provider.ProcTable]().NumField()
	if int(opCount) != fields-2 {
		t.Errorf("%d operations for a table of %d functions, Ready and Watch among them", opCount, fields)
	}
}

// TestNames: no option and no ioctl of package wsa is left out.
func TestNames(t *testing.T) {
	levels := map[string][]int32{
		"SO": {wsa.SOL_SOCKET}, "PVD": {wsa.SOL_SOCKET}, "TCP": {wsa.IPPROTO_TCP}, "UDP": {wsa.IPPROTO_UDP},
		"IP": {wsa.IPPROTO_IP}, "IPV6": {wsa.IPPROTO_IPV6}, "MCAST": {wsa.IPPROTO_IP, wsa.IPPROTO_IPV6},
	}
	aliases := map[string]bool{"IPV6_JOIN_GROUP": true, "IPV6_LEAVE_GROUP": true, "TCP_EXPEDITED_1122": true}
	known := map[string]bool{}
	for _, names := range options {
		for _, n := range names {
			known[n] = true
		}
	}
	for _, n := range ioctls {
		known[n] = true
	}
	seen := 0
	for _, file := range []string{"option.go", "option_rest.go", "ioctl.go", "ioctl_rest.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), "../../wsa/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || v.Type == nil {
				return true
			}
			name := v.Names[0].Name
			prefix, _, _ := strings.Cut(name, "_")
			isOption := levels[prefix] != nil
			isIoctl := prefix == "SIO" || strings.HasPrefix(name, "FIO") || name == "SIOCATMARK"
			if (isOption || isIoctl) && !aliases[name] {
				if seen++; !known[name] {
					t.Errorf("%s of %s has no name here", name, file)
				}
			}
			return true
		})
	}
	if seen < 100 {
		t.Errorf("only %d names were found in package wsa", seen)
	}
	for level, names := range options {
		for v, n := range names {
			if got := optionName(level, v); !strings.HasSuffix(got, " "+n) {
				t.Errorf("%d %s is called %s", level, n, got)
			}
		}
	}
	if got := flagsName(wsa.MSG_PENDED | wsa.MSG_OOB | wsa.MSG_MCAST | 1<<20); got != "MSG_OOB|MSG_MCAST|0x100000" {
		t.Errorf("flags: %s", got)
	}
}

func TestParseOps(t *testing.T) {
	for text, want := range map[string]string{
		"": "all", "all": "all", "data": "data", "control": "control", "!data": "control", "connect,close": "close,connect",
		"data,!recv": "recvfrom,send,sendto", "!connect,connect": "all",
	} {
		if o, err := ParseOps(text); err != nil || o.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, o, err, want)
		}
	}
	for text, want := range map[string]string{
		"conect": `"conect" is not an operation; known are control, data, all, socket,`, "connect,": `"" is not an operation`,
		"connect,!all": "leaves no operation", "CONNECT": "is not an operation",
	} {
		if o, err := ParseOps(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, o, err, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, c := range []struct{ text, yes, no string }{
		{"*", "192.0.2.1:1", ""},
		{"*:443", "192.0.2.1:443", "192.0.2.1:444"},
		{"10.0.0.0/8", "10.1.2.3:4", "11.0.0.1:4"},
		{"10.0.0.0/8:1-2", "[::ffff:10.1.2.3]:2", "10.1.2.3:3"},
		{"192.0.2.1", "192.0.2.1:9", "192.0.2.2:9"},
		{"[2001:db8::]/32:80", "[2001:db8::1]:80", "[2001:db9::1]:80"},
		{"[::1]", "[::1]:80", "127.0.0.1:80"},
	} {
		x, err := ParseTarget(c.text)
		if err != nil || !x.has(addr(c.yes)) || c.no != "" && x.has(addr(c.no)) {
			t.Errorf("%s: %+v, %v", c.text, x, err)
		}
	}
	for text, want := range map[string]string{
		"": "not an address or network", "example.com": "not an address", "::1": "not an address", "[::1": "bracket", "[127.0.0.1]": "not an address",
		"10.0.0.1/8": "write 10.0.0.0/8", "10.0.0.0/33": "/bits must be 0 to 32", "*:0": "not a port", "*:2-1": "not a port", "*:": "not a port", "*:70000": "not a port",
	} {
		if x, err := ParseTarget(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %q", text, x, err, want)
		}
	}
}

// FuzzLine: whatever a program sends and is called, it makes one line, of printable
// ASCII, from which the data can be had again.
func FuzzLine(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), "/usr/bin/curl")
	f.Add([]byte{0, 0xff, '"', '\\', '<', '\n'}, "evil\n12:00 #9 close")
	f.Fuzz(func(t *testing.T, data []byte, exe string) {
		v := event{op: opSend, data: [][]byte{data}, shown: len(data), process: provider.Process{Executable: exe}}
		line := string(v.text(nil))
		for i, c := range []byte(strings.TrimSuffix(line, "\n")) {
			if (c < ' ' || c > '~') && !strings.HasPrefix(line[i:], "µ") && !strings.HasPrefix(line[i-1:], "µ") {
				t.Fatalf("%q has %q at %d", line, c, i)
			}
		}
		if back, err := strconv.Unquote(`"` + string(v.escaped(nil)) + `"`); err != nil || back != string(data) {
			t.Fatalf("%q became %q, %v", data, back, err)
		}
	})
}

//go:build linux

package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/layer/audit"
	"github.com/netnsd/netnsd/provider/wsa"
)

// maxLine is longer than any line that audit writes.
const maxLine = 1 << 20

// A Flow is something that a policy was, or would have been, asked.
type Flow struct {
	Op       string   `json:"op"` // as of provider.Op
	Protocol string   `json:"protocol,omitempty"`
	Dst      string   `json:"dst,omitempty"`
	Names    []string `json:"names,omitempty"`
	SNI      string   `json:"sni,omitempty"`
	Line     int      `json:"line"` // the first that has it

	facts provider.Facts
	op    provider.Op
}

// A LineError says which line is no record.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// ErrNoRecord is that of a file of which no line is a record.
var ErrNoRecord = errors.New("no line is a record of an audit (netnsd run --audit)")

// Read calls each for the flows of an audit file, in order, and bad for what is no
// record, which is skipped. An empty file has no flows.
func Read(r io.Reader, each func(Flow), bad func(*LineError)) error {
	lines := bufio.NewReaderSize(r, maxLine)
	good, garbage := 0, 0
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		var wrong error
		switch {
		case err == bufio.ErrBufferFull:
			wrong = fmt.Errorf("longer than %d bytes", maxLine)
			if err = rest(lines); err != nil && err != io.EOF {
				return err
			}
		case len(bytes.TrimSpace(line)) > 0:
			var flows []Flow
			if flows, wrong = parse(line); wrong == nil {
				good++
			}
			for _, f := range flows {
				f.Line = n
				each(f)
			}
		}
		if wrong != nil {
			garbage++
			bad(&LineError{n, wrong})
		}
		if err == io.EOF {
			break
		}
	}
	if good == 0 && garbage > 0 {
		return ErrNoRecord
	}
	return nil
}

// rest reads over what is left of a line.
func rest(r *bufio.Reader) error {
	for {
		if _, err := r.ReadSlice('\n'); err != bufio.ErrBufferFull {
			return err
		}
	}
}

// ops are the events that a policy is asked about.
var ops = map[string]provider.Op{
	"lookup": provider.OpLookup, "connect": provider.OpConnect, "send": provider.OpSendTo,
	"accept": provider.OpAccept, "listen": provider.OpListen, "join": provider.OpJoinLeaf,
}

// parse reads a record. One that no policy is asked about has no flows.
func parse(line []byte) ([]Flow, error) {
	var r audit.Record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, err
	}
	if r.Event == "" {
		return nil, errors.New("event is missing")
	}
	op, known := ops[r.Event]
	switch {
	case r.Event == "close" && (r.Hello || r.Plain || r.SNI != "" || r.ALPN != ""):
		op = provider.OpSNI
	case !known || r.Verdict != nil && r.Verdict.Layer == "gateway":
		return nil, nil
	}
	f, err := flow(op, r)
	if err != nil {
		return nil, err
	}
	return []Flow{f}, nil
}

func flow(op provider.Op, r audit.Record) (f Flow, err error) {
	f = Flow{Op: op.String(), op: op, Names: r.Names}
	f.facts = provider.Facts{Origin: origin(r), Names: r.Names}
	if op == provider.OpLookup {
		if len(r.Names) == 0 {
			return f, errors.New("a lookup without a name")
		}
		return f, nil
	}
	f.Protocol, f.Dst = r.Protocol, r.Dst
	f.facts.Type, f.facts.Protocol = numberOf(wsa.TypeName, r.Type), numberOf(wsa.ProtocolName, r.Protocol)
	switch op {
	case provider.OpAccept, provider.OpListen:
		return f, nil
	case provider.OpSNI:
		f.SNI = r.SNI
		f.facts.Late = provider.Learned{Hello: !r.Plain, SNI: r.SNI, ALPN: r.ALPN, ECH: r.ECH, Plain: r.Plain}
	}
	f.facts.Remote, err = address(r.Dst)
	return f, err
}

// origin is who asked.
func origin(r audit.Record) *provider.Origin {
	o := &provider.Origin{UID: -1, Attachment: r.Attachment, PID: r.PID, Executable: r.Exe, CGroup: r.CGroup}
	if r.UID != nil {
		o.UID = *r.UID
	}
	return o
}

// address reads what Addr.String has written.
func address(s string) (provider.Addr, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		var a netip.Addr
		if a, err = netip.ParseAddr(s); err != nil {
			return provider.Addr{}, fmt.Errorf("dst %q is not an address", s)
		}
		ap = netip.AddrPortFrom(a, 0)
	}
	return provider.AddrFrom(ap), nil
}

// numberOf is the number that name is of, 0 if it is of none: what a rule does not
// know it does not match.
func numberOf(name func(int32) string, s string) int32 {
	for n := range int32(256) {
		if name(n) == strings.ToLower(s) {
			return n
		}
	}
	return 0
}

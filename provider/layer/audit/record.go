package audit

import (
	"net/netip"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Record is one line. Fields that are not known, or do not belong to the
// event, are left out.
type Record struct {
	Time  time.Time `json:"time"`  // UTC, RFC 3339
	Event string    `json:"event"` // see the package's documentation
	Chain string    `json:"chain,omitempty"`

	Attachment string `json:"attachment,omitempty"`
	Socket     uint64 `json:"socket,omitempty"` // its handle; never given twice by a session
	PID        int    `json:"pid,omitempty"`
	UID        *int   `json:"uid,omitempty"`
	Exe        string `json:"exe,omitempty"`
	Deleted    bool   `json:"exe_deleted,omitempty"` // Exe was removed or replaced after the process had begun
	CGroup     string `json:"cgroup,omitempty"`

	Family   string   `json:"family,omitempty"`   // inet, inet6
	Type     string   `json:"type,omitempty"`     // stream, dgram, raw
	Protocol string   `json:"protocol,omitempty"` // tcp, udp, icmp, icmpv6 or the number
	Src      string   `json:"src,omitempty"`      // address:port
	Dst      string   `json:"dst,omitempty"`
	Names    []string `json:"names,omitempty"` // of the destination; of close: as they were at the connect
	Hello    bool     `json:"hello,omitempty"` // a ClientHello was seen, with or without a name
	SNI      string   `json:"sni,omitempty"`
	ALPN     string   `json:"alpn,omitempty"`
	ECH      bool     `json:"ech,omitempty"`   // the hello has an encrypted one in it
	Plain    bool     `json:"plain,omitempty"` // the stream began with something else

	Query   string       `json:"query,omitempty"`   // of lookup: the type of the records asked for
	RCode   string       `json:"rcode,omitempty"`   // of lookup: NOERROR, NXDOMAIN
	Answers []netip.Addr `json:"answers,omitempty"` // of lookup: addresses found, the first 16

	Verdict *Verdict `json:"verdict,omitempty"` // the last one on the socket
	Error   string   `json:"error,omitempty"`   // a code's name, such as WSAECONNREFUSED
	Reason  string   `json:"reason,omitempty"`  // of close: why

	Argv []string `json:"argv,omitempty"` // of start: the program
	Held []Held   `json:"held,omitempty"` // of start: what keeps it from the ways around its network

	*Totals        // of close
	Dropped uint64 `json:"dropped,omitempty"` // of dropped: lines that are missing
}

// Held is a way around the network, and what is done about it.
type Held struct {
	Against string   `json:"against"`
	By      string   `json:"by"`
	Objects []string `json:"objects,omitempty"` // what is hidden, or kept all the same
	Missing string   `json:"missing,omitempty"` // why nothing is done
}

// Totals are of a socket's whole life.
type Totals struct {
	BytesIn    uint64 `json:"bytes_in"`
	BytesOut   uint64 `json:"bytes_out"`
	PacketsIn  uint64 `json:"packets_in"` // datagrams
	PacketsOut uint64 `json:"packets_out"`
	Duration   int64  `json:"duration_ms"`
}

// Verdict is what a deciding layer said.
type Verdict struct {
	Action string `json:"action"`          // allow, deny
	Errno  string `json:"errno,omitempty"` // of deny
	Layer  string `json:"layer"`
	Rule   string `json:"rule,omitempty"`
	Pos    string `json:"pos,omitempty"`
	Reason string `json:"reason,omitempty"` // why that rule, where it does not say so itself
	Shadow bool   `json:"shadow,omitempty"` // it would be action, and was not: the operation passed
}

func verdictOf(v *provider.Verdict) *Verdict {
	if v == nil || v.Action == provider.NoOpinion {
		return nil
	}
	r := &Verdict{Action: v.Action.String(), Layer: v.Layer, Rule: v.Rule, Pos: v.Pos, Reason: v.Reason, Shadow: v.Shadow}
	if v.Action > provider.Allow {
		r.Errno = v.Errno.Name()
	}
	return r
}

// origin fills in who asks.
func (r *Record) origin(o *provider.Origin) {
	if o == nil {
		return
	}
	uid, p := o.Seen()
	r.Attachment, r.PID, r.Exe, r.Deleted, r.CGroup = o.Attachment, p.PID, p.Executable, p.Deleted, p.CGroup
	if uid >= 0 {
		r.UID = &uid
	}
	r.Src = o.Source.String()
}

// destination fills in where to, and the names known for it.
func (r *Record) destination(o *provider.Origin, to provider.Addr) {
	r.Dst, r.Names = to.String(), o.NamesOf(to.Addr())
}

// late fills in what a stream's first bytes said.
func (r *Record) late(l provider.Learned) {
	r.Hello, r.SNI, r.ALPN, r.ECH, r.Plain = l.Hello, l.SNI, l.ALPN, l.ECH, l.Plain
}

// triple fills in what kind of socket.
func (r *Record) triple(family, typ, protocol int32) {
	r.Family, r.Type, r.Protocol = wsa.FamilyName(family), wsa.TypeName(typ), wsa.ProtocolName(protocol)
}

// outcome fills in the code of an operation; one that goes on is none.
func (r *Record) outcome(e wsa.Errno) {
	if e != 0 && e != wsa.EWOULDBLOCK {
		r.Error = e.Name()
	}
}

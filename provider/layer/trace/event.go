package trace

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// A Record is one line of the form in JSON. Fields that do not apply are left out.
type Record struct {
	Time     time.Time `json:"time"` // when the operation began
	Op       string    `json:"op"`   // connect …; "dropped": lines are missing here
	Chain    string    `json:"chain,omitempty"`
	Socket   uint64    `json:"socket,omitempty"` // the number of the text form
	PID      int       `json:"pid,omitempty"`
	Exe      string    `json:"exe,omitempty"`
	Address  string    `json:"address,omitempty"` // that was asked for
	Args     string    `json:"args,omitempty"`    // what else was, as in the text form
	Size     *int      `json:"size,omitempty"`    // bytes asked for or offered
	Flags    string    `json:"flags,omitempty"`
	Data     string    `json:"data,omitempty"`    // its first bytes, escaped as in the text form
	Result   int       `json:"result"`            // bytes moved, or a size; else 0
	Error    string    `json:"error,omitempty"`   // SDK name, such as WSAECONNREFUSED
	From     string    `json:"from,omitempty"`    // the address that came back
	Answer   string    `json:"answer,omitempty"`  // what else came back
	Again    int       `json:"again,omitempty"`   // tries before that found nothing
	Open     bool      `json:"open,omitempty"`    // it had not ended when the socket was closed
	Duration int64     `json:"duration_ns"`       // nanoseconds
	Dropped  uint64    `json:"dropped,omitempty"` // of dropped: how many lines
}

// event is an operation before it is text.
type event struct {
	op      op
	start   time.Time
	took    time.Duration
	chain   string
	socket  uint64
	process provider.Process
	to      provider.Addr // asked for
	args    string
	size    int // of a data operation
	flags   wsa.MsgFlags
	data    [][]byte
	shown   int // bytes of data to show
	more    bool
	n       int
	e       wsa.Errno
	from    provider.Addr // came back
	answer  string
	again   int
	open    bool
}

// text appends the event as a line for people:
//
//	12:00:00.123456 #17 curl[4711] connect 203.0.113.1:443 = 0 <1.2ms>
func (v *event) text(b []byte) []byte {
	b = v.start.AppendFormat(b, clock)
	if b = append(b, " #"...); v.socket == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendUint(b, v.socket, 10)
	}
	b = v.who(b)
	b = append(append(b, ' '), v.op.String()...)
	if v.to.Family != 0 || v.to.AddrPort.IsValid() {
		b = appendAddr(append(b, ' '), v.to)
	}
	if v.args != "" {
		b = append(append(b, ' '), v.args...)
	}
	if v.op.set()&Data != 0 {
		b = strconv.AppendInt(append(b, ' '), int64(v.size), 10)
		if f := flagsName(v.flags); f != "" {
			b = append(append(b, ' '), f...)
		}
		if v.shown > 0 {
			b = append(b, ` "`...)
			b = v.escaped(b)
			if b = append(b, '"'); v.more {
				b = append(b, "..."...)
			}
		}
	}
	b = v.outcome(append(b, " = "...))
	b = append(b, " <"...)
	b = append(b, round(v.took).String()...)
	return append(b, ">\n"...)
}

const clock = "15:04:05.000000"

func (v *event) who(b []byte) []byte {
	p := v.process
	if p.PID <= 0 && p.Executable == "" {
		return b
	}
	b = append(append(b, ' '), base(p.Executable)...)
	if p.PID > 0 {
		b = append(strconv.AppendInt(append(b, '['), int64(p.PID), 10), ']')
	}
	return b
}

func (v *event) outcome(b []byte) []byte {
	switch {
	case v.open:
		b = append(b, '?')
	case v.e == 0, v.n > 0:
		b = strconv.AppendInt(b, int64(v.n), 10)
		if v.e != 0 {
			b = append(append(b, ' '), v.e.Name()...)
		}
	default:
		b = append(b, v.e.Name()...)
	}
	if v.from.Family != 0 {
		if v.op.receives() || v.op == opAccept {
			b = append(b, " from"...)
		}
		b = appendAddr(append(b, ' '), v.from)
	}
	if v.answer != "" {
		b = append(append(b, ' '), v.answer...)
	}
	if v.again > 0 {
		b = strconv.AppendInt(append(b, " again="...), int64(v.again), 10)
	}
	return b
}

// escaped appends the first bytes of data: printable ASCII as it is.
func (v *event) escaped(b []byte) []byte {
	left := v.shown
	for _, d := range v.data {
		for _, c := range d[:min(left, len(d))] {
			b = escape(b, c)
		}
		left -= min(left, len(d))
	}
	return b
}

func escape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case c == '"', c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, `\n`...)
	case c == '\r':
		return append(b, `\r`...)
	case c == '\t':
		return append(b, `\t`...)
	case c < ' ', c >= 0x7f:
		return append(b, '\\', 'x', hex[c>>4], hex[c&15])
	}
	return append(b, c)
}

// json appends the event as a Record.
func (v *event) json(b []byte) []byte {
	r := Record{
		Time: v.start.UTC(), Op: v.op.String(), Chain: v.chain, Socket: v.socket, PID: v.process.PID, Exe: v.process.Executable,
		Address: v.to.String(), Args: v.args, Flags: flagsName(v.flags), Result: v.n, From: v.from.String(), Answer: v.answer,
		Again: v.again, Open: v.open, Duration: int64(v.took),
	}
	if v.op.set()&Data != 0 {
		size := v.size // a pointer to v's own would put every event on the heap
		r.Size = &size
		r.Data = string(v.escaped(nil))
	}
	if v.e != 0 {
		r.Error = v.e.Name()
	}
	return r.line(b)
}

func (r Record) line(b []byte) []byte {
	text, err := json.Marshal(r)
	if err != nil { // no type of a Record can fail to be marshalled; a year could
		return b
	}
	return append(append(b, text...), '\n')
}

package trace

import (
	"strings"
	"time"

	"github.com/netnsd/netnsd/provider"
)

func (o op) receives() bool { return o == opRecv || o == opRecvFrom }

// appendAddr is String of an address; without a scope it does not allocate.
func appendAddr(b []byte, a provider.Addr) []byte {
	switch {
	case !a.Addr().IsValid():
		return append(b, '-') // of a family that is none, or a disconnect
	case a.Scope != 0:
		return append(b, a.String()...)
	}
	return a.AddrPort.AppendTo(b)
}

// round is d to four digits or so.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(10 * time.Microsecond)
	case d >= 10*time.Microsecond:
		return d.Round(10 * time.Nanosecond)
	}
	return d
}

// maxWord is how much of a program's own words is written: names, and texts that are
// to be addresses.
const maxWord = 256

// word is text that cannot end a line or look like something else.
func word(text string) string {
	var b []byte
	for _, c := range []byte(text[:min(len(text), maxWord)]) {
		b = escape(b, c)
	}
	return string(b)
}

// base is the last part of an executable's path.
func base(exe string) string {
	if exe == "" {
		return "pid"
	}
	return strings.ReplaceAll(word(exe[strings.LastIndexByte(exe, '/')+1:]), " ", `\x20`)
}

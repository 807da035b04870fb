package report

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const none = "–"

// number writes x with three digits that count, and whole numbers with groups.
func number(x float64) string {
	a := math.Abs(x)
	switch {
	case !finite(x):
		return none
	case a >= 1e9 || a > 0 && a < 1e-3:
		return strconv.FormatFloat(x, 'g', 3, 64)
	case a >= 99.95:
		return grouped(strconv.FormatFloat(x, 'f', 0, 64))
	case a >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a >= 0.9995 || a == 0:
		return strconv.FormatFloat(x+0, 'f', 2, 64) // -0 is 0
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

// whole writes counts as counts.
func whole(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e9 {
		return grouped(strconv.FormatFloat(x+0, 'f', 0, 64))
	}
	return number(x)
}

// grouped puts a comma between each three digits.
func grouped(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// asked writes a figure that somebody asked for, as they wrote it.
func asked(x float64) string {
	if !finite(x) {
		return none
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

func bytes(x float64) string {
	if !finite(x) {
		return none
	}
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if math.Abs(x) < 1000 {
			return digits(x) + " " + unit
		}
		x /= 1024
	}
	return digits(x) + " TiB"
}

func digits(x float64) string {
	if math.Abs(x) >= 9.95 || x == math.Trunc(x) {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// seconds writes a duration as the flags of the command take it.
func seconds(s float64) string {
	if !finite(s) || math.Abs(s) > 1e9 {
		return none
	}
	d, unit := time.Duration(s*float64(time.Second)), time.Millisecond
	if d >= 10*time.Second {
		unit = time.Second
	}
	if d < unit {
		unit = time.Nanosecond
	}
	return d.Round(unit).String()
}

// plain takes from s what a terminal would obey, and line breaks: names come
// from files and from programs that others wrote.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

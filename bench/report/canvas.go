package report

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// canvas writes SVG. Its classes are those of chart.css.
type canvas struct{ strings.Builder }

// px is a coordinate: finite, and short.
func px(x float64) string {
	if !finite(x) {
		x = 0
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// escaped is text for XML and for HTML.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(plain(s))) // a strings.Builder does not fail
	return b.String()
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, px(x1), px(y1), px(x2), px(y2))
}

// rect is drawn from x1 to x2, whichever is the greater; hint is shown to who
// points at it.
func (c *canvas) rect(class string, x1, y, x2, height float64, hint string) {
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="1.5"><title>%s</title></rect>`+"\n",
		class, px(min(x1, x2)), px(y), px(max(x1, x2)-min(x1, x2)), px(height), escaped(hint))
}

func (c *canvas) dot(class string, x, y, r float64, hint string) {
	fmt.Fprintf(c, `<circle class="%s" cx="%s" cy="%s" r="%s"><title>%s</title></circle>`+"\n", class, px(x), px(y), px(r), escaped(hint))
}

// diamond is a mark that is not taken for a sample.
func (c *canvas) diamond(class string, x, y, r float64, hint string) {
	fmt.Fprintf(c, `<path class="%s" d="M%s %sl%s %sl%s %sl%s %sz"><title>%s</title></path>`+"\n", class,
		px(x), px(y-r), px(r), px(r), px(-r), px(r), px(-r), px(-r), escaped(hint))
}

// text is written at x; the class says whether x is its start, middle or end.
func (c *canvas) text(class string, x, y float64, s string) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s">%s</text>`+"\n", class, px(x), px(y), escaped(s))
}

// label is text that is cut to n characters; who points at it sees all.
func (c *canvas) label(class string, x, y float64, s string, n int) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s">%s<title>%s</title></text>`+"\n", class, px(x), px(y), escaped(cut(plain(s), n)), escaped(s))
}

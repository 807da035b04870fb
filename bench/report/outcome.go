package report

import "math"

// Enough is how many interleaved ratios it takes to judge a goal.
const Enough = 15

const (
	narrow = 0.15 // of the median: how far an end of a believed interval is away from it
	floor  = 0.8  // of the reach: no figure may be below
)

// An Outcome says what became of a goal; the package's doc has the rule.
type Outcome string

// The outcomes, from the best. Where there is no goal it is "".
const (
	AtAim    Outcome = "aim"
	Reached  Outcome = "reached"
	Repeat   Outcome = "repeat"    // too uncertain to say: measure again, longer or more often
	Missed   Outcome = "missed"    // but not below 0.8 of it
	Below    Outcome = "below 0.8" // of the reach
	TooFew   Outcome = "too few"   // ratios to judge
	NoFigure Outcome = "no figure" // one of the two did not run
)

// Outcomes are all of them, from the best.
var Outcomes = []Outcome{AtAim, Reached, Repeat, Missed, Below, TooFew, NoFigure}

// Good reports whether nothing is left to do.
func (o Outcome) Good() bool { return o == AtAim || o == Reached }

// Bad reports whether the figure was clearly missed.
func (o Outcome) Bad() bool { return o == Missed || o == Below }

// judge is for goals against a baseline.
func (g Goal) judge(r Ratio) Outcome {
	switch {
	case r.N == 0:
		return NoFigure
	case r.N < Enough:
		return TooFew
	case g.Aim > 0 && r.Median >= g.Aim:
		return AtAim
	case r.Median >= g.Reach:
		return Reached
	case r.Contains(g.Reach) && r.narrow():
		return Reached
	case r.Contains(g.Reach):
		return Repeat
	case r.Median < floor*g.Reach:
		return Below
	}
	return Missed
}

func (r Ratio) narrow() bool {
	room := narrow * r.Median
	return r.Median-r.Low <= room && r.High-r.Median <= room
}

// judgeAbsolute is for goals in the row's unit.
func (g Goal) judgeAbsolute(f Figure, less bool) Outcome {
	good := func(than float64) bool {
		if less {
			return f.Median <= than
		}
		return f.Median >= than
	}
	switch {
	case f.N == 0:
		return NoFigure
	case g.Aim != 0 && good(g.Aim):
		return AtAim
	case good(g.Reach):
		return Reached
	case g.Reach == 0 && f.interval().Contains(0):
		return Reached
	case g.Reach != 0 && g.share(f.Median, less) < floor:
		return Below
	}
	return Missed
}

// share is what part of an absolute reach a median is: 1 or more is reached.
func (g Goal) share(median float64, less bool) float64 {
	switch {
	case less && median <= 0:
		return math.Inf(1)
	case less:
		return g.Reach / median
	}
	return median / g.Reach
}

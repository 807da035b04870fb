// Package report holds what a run of the harness found, and says it: as a table
// for a terminal, as JSON, as Markdown and SVG for a README, and as one HTML page.
//
//	Report ──Evaluate──▶ Results ──┬─ WriteTable      a terminal
//	  ▲  │   (medians, ratios,     ├─ WriteMarkdown   the README's ratios
//	Read Write     outcomes)       ├─ WriteSVG        one table as a picture
//	  │  ▼                         └─ WriteHTML       everything, offline
//	JSON
//
// A [Report] is samples only. Everything else is computed by [Evaluate], the same
// way for every form, so that two forms of one report cannot disagree.
//
// # Ratios
//
// A ratio says how many times better the subject of a table is than a baseline;
// where less is better it is baseline over subject. So more than 1 is always
// better, and so are Reach and Aim of a goal against a baseline.
//
// Samples of one repetition are taken next to each other, so ratios are taken
// repetition by repetition, and the figure is their median ([Paired]). A machine
// that slows down for a second slows both samples down. Against an earlier report
// there are no pairs: [Unpaired] is the ratio of the medians, and carries all that
// the machine did differently on the two days.
//
// The interval is the percentile bootstrap of the median, 95 %, with
// [Resamples] resamples and a fixed seed: the same samples give the same
// interval. With fewer than [Enough] ratios it is too narrow to be believed,
// with one it is a point; so n stands beside it, and a goal is not judged.
//
// # Outcomes
//
// A goal against a baseline is judged by [Enough] ratios or more: [AtAim] or
// [Reached] if their median is not below the figure, or if their interval
// contains the reach and neither end is further than 15 % of the median from the
// median; [Repeat] if it contains the reach and is wider; else [Missed], and
// [Below] if the median is below 0.8 of the reach. An absolute goal is judged by
// the median alone, however many samples there are; one of zero, which no noise
// can meet, is reached if the interval of the median contains zero.
package report

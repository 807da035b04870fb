package report

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// when is "22 Nov 2026 14:03 UTC, version 1a2b3c, took 41m0s".
func (r *Report) when() string {
	s := r.Start.UTC().Format("2 Jan 2006 15:04") + " UTC"
	if r.Version != "" {
		s += ", version " + plain(r.Version)
	}
	if r.Seconds > 0 {
		s += ", took " + seconds(r.Seconds)
	}
	return s
}

// how is "15 repetitions of 1s after 300ms, congestion control reno".
func (r *Report) how() string {
	s := fmt.Sprintf("%d repetitions of %s after %s", r.Settings.Repetitions, seconds(r.Settings.Measure), seconds(r.Settings.Warmup))
	if r.Settings.Repetitions == 1 {
		s = strings.Replace(s, "repetitions", "repetition", 1)
	}
	if r.Settings.Congestion != "" {
		s += ", congestion control " + plain(r.Settings.Congestion)
	}
	return s
}

// String is "AMD EPYC 7B13, 2 cores, 8 GiB, Linux 6.18, go1.26".
func (m Machine) String() string {
	var all []string
	add := func(s string, there bool) {
		if there {
			all = append(all, s)
		}
	}
	add(plain(m.CPU), m.CPU != "")
	add(fmt.Sprintf("%d cores", m.Cores), m.Cores > 0)
	add(bytes(float64(m.Memory)), m.Memory > 0)
	add("Linux "+plain(m.Kernel), m.Kernel != "")
	add(plain(m.Go), m.Go != "")
	return strings.Join(all, ", ")
}

// describe is what is known of c beyond its name.
func (c Contender) describe() string {
	var all []string
	for _, s := range []string{c.Title, c.Version, c.Path, c.Mode} {
		if s != "" && s != c.Name && !strings.Contains(strings.Join(all, ", "), s) {
			all = append(all, plain(s))
		}
	}
	if c.Chain != "" {
		all = append(all, "chain "+plain(c.Chain))
	}
	if c.MTU > 0 {
		all = append(all, fmt.Sprintf("MTU %d", c.MTU))
	}
	return strings.Join(all, ", ")
}

// title is what people call c.
func (c Contender) title() string {
	if c.Title != "" {
		return plain(c.Title)
	}
	return plain(c.Name)
}

// outcomes are those that there are, from the best, with their number.
func (r *Results) outcomes() iter.Seq2[Outcome, int] {
	counts := make(map[Outcome]int)
	for _, v := range r.Verdicts() {
		counts[v.Outcome]++
	}
	return func(yield func(Outcome, int) bool) {
		for _, o := range Outcomes {
			if counts[o] > 0 && !yield(o, counts[o]) {
				return
			}
		}
	}
}

// Summary counts the outcomes: "goals: 3 aim, 9 reached, 1 missed". It is "" if
// there are no goals.
func (r *Results) Summary() string {
	var all []string
	for o, n := range r.outcomes() {
		all = append(all, fmt.Sprintf("%d %s", n, o))
	}
	if len(all) == 0 {
		return ""
	}
	return "goals: " + strings.Join(all, ", ")
}

// Again is the command that measures the same again. If the report does not say
// it names tables, but not workloads and contenders given by path.
func (r *Report) Again() string {
	if r.Settings.Command != "" {
		return plain(r.Settings.Command)
	}
	words := []string{"netnsd", "bench"}
	for _, t := range r.Tables {
		words = append(words, "--table", t.Name)
	}
	words = append(words, "--repetitions", strconv.Itoa(r.Settings.Repetitions), "--measure", seconds(r.Settings.Measure), "--warmup", seconds(r.Settings.Warmup))
	return Shell(words...)
}

// Shell writes words as a shell takes them.
func Shell(words ...string) string {
	var all []string
	for _, w := range words {
		all = append(all, quoted(w))
	}
	return strings.Join(all, " ")
}

// quoted is s as one word of a shell.
func quoted(s string) string {
	s = plain(s)
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:=/+%@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

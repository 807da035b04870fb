package winsocktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Needs are what a row wants of a base besides what every base has.
type Needs uint

// Capabilities of a base, as a [Pair] states them.
const (
	NeedsUrgent            Needs = 1 << iota // MSG_OOB (XP1_EXPEDITED_DATA)
	NeedsRaw                                 // SOCK_RAW
	NeedsMulticast                           // groups, on the pair's network
	NeedsConditionalAccept                   // SO_CONDITIONAL_ACCEPT: the SYN waits for the verdict
	NeedsWindowsBind                         // the bind matrix of 9.5, not the kernel's
	NeedsICMP                                // port unreachable reaches the sender
	NeedsChanges                             // the network tells that addresses or routes have changed
	NeedsKeepAlive                           // keep-alive times can be set
	NeedsConnectICMP                         // a connect can be failed by an ICMP error
	NeedsCircular                            // SIO_ENABLE_CIRCULAR_QUEUEING
	NeedsDynamicPorts                        // ports that are chosen are 49152 to 65535
	NeedsNoRaw                               // SOCK_RAW is refused
	NeedsSilence                             // Pair.Silent: an address that does not answer
	NeedsNoRoute                             // addresses for documentation (RFC 5737, RFC 3849) have no route
	NeedsQuota                               // Config.MaxSockets of the sessions is so small (64) that a row can use it up
	NeedsGroups                              // datagrams to groups come from the client's session to the server's, by default
	NeedsUnheld                              // no layer holds bytes of streams: their end is told beside what is unread (law 5), what the peer has not read is not acknowledged, and what closed sockets have sent is delivered after WSPCleanup
	NeedsReuse                               // TF_REUSE_SOCKET: not through a layer of the kit
)

var needNames = []string{"urgent data", "raw sockets", "multicast", "conditional accept", "Windows' bind rules", "ICMP errors", "change notifications", "keep-alive times", "connects that ICMP fails", "circular queues", "ports from 49152", "refusal of raw sockets", "silent address", "lack of routes", "small quota of sockets", "way for groups from session to session", "stream without a layer that holds bytes", "reuse of sockets"}

func (n Needs) String() string {
	var all []string
	for i, name := range needNames {
		if n&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// A Row is one row of the tables of the specification (winsock-spi), as a case.
type Row struct {
	Section string // such as "12.4"
	Name    string // what the row says, in its own words
	Needs   Needs
	Run     func(*Case)
	// Dropped is why nobody claims the row, and is set instead of Run: what
	// spi-notes 4 lists under 'Drop or stub'.
	Dropped string
}

// rows are all rows, gathered by the files that hold them.
var rows []Row

func add(more ...Row) struct{} {
	rows = append(rows, more...)
	return struct{}{}
}

// Rows are the rows of the suite, in the order of their sections.
func Rows() []Row {
	all := slices.Clone(rows)
	slices.SortStableFunc(all, func(a, b Row) int { return compareSections(a.Section, b.Section) })
	return all
}

func compareSections(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if len(x[i]) != len(y[i]) {
			return len(x[i]) - len(y[i])
		}
		if c := strings.Compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return len(x) - len(y)
}

// Conform is the whole suite over a base: each row over a pair of its own. It
// prints how many rows are specified, how many the base claims by its
// capabilities, and how many pass, and each row that is not claimed with the
// reason. Claimed rows that do not pass fail the test.
//
//	func TestConform(t *testing.T) {
//		providertest.Conform(t, func(t *testing.T) providertest.Pair { … })
//	}
func Conform(t *testing.T, mk func(*testing.T) Pair) {
	claimed, passing := 0, 0
	var unclaimed []string
	all := Rows()
	can := mk(t).Can
	for _, r := range all {
		lacks := r.Needs &^ can
		switch {
		case r.Dropped != "":
			unclaimed = append(unclaimed, fmt.Sprintf("%s %s: %s", r.Section, r.Name, r.Dropped))
			continue
		case lacks != 0:
			unclaimed = append(unclaimed, fmt.Sprintf("%s %s: the base has no %s", r.Section, r.Name, lacks))
			continue
		}
		claimed++
		if t.Run(r.Section+" "+r.Name, func(t *testing.T) { r.Run(NewCase(t, mk(t))) }) {
			passing++
		}
	}
	t.Logf("rows: %d specified, %d claimed, %d passing", len(all), claimed, passing)
	for _, u := range unclaimed {
		t.Log("not claimed: " + u)
	}
}

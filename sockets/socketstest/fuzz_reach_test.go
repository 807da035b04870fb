package socketstest_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/netnsd/netnsd/provider/wsa"
)

// reached counts the answers of each function over all programs: a model that is
// only ever told ENOTSOCK has seen nothing.
var reached = reach{answers: make(map[string]map[wsa.Errno]int)}

type reach struct {
	mu      sync.Mutex
	answers map[string]map[wsa.Errno]int
}

func (r *reach) add(fn string, e wsa.Errno) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers[fn] == nil {
		r.answers[fn] = make(map[wsa.Errno]int)
	}
	r.answers[fn][e]++
}

// unreached are the functions that never did what they are for.
func (r *reach) unreached() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for fn := range documented {
		if r.answers[fn][0]+r.answers[fn][wsa.IO_PENDING] == 0 && fn != "WSPGetQOSByName" { // 3.17: there are none
			names = append(names, fn)
		}
	}
	slices.Sort(names)
	return names
}

func (r *reach) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := ""
	for _, fn := range slices.Sorted(maps.Keys(r.answers)) {
		text += "\n" + fn + ":"
		for _, e := range slices.Sorted(maps.Keys(r.answers[fn])) {
			text += fmt.Sprintf(" %s %d", e.Name(), r.answers[fn][e])
		}
	}
	return text
}

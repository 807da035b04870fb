package providertest

import (
	"testing"

	"github.com/netnsd/netnsd/sockets/winsocktest"
)

// Pair is two sessions over the base that is tested, which reach each other, and
// what the base can do.
type Pair = winsocktest.Pair

// Conform holds a base, and whatever chain is over it, to every row of the tables
// of the specification. It prints how many rows are specified, how many the base
// claims by its capabilities and how many pass, and each row that is not claimed
// with the reason.
//
//	func TestConform(t *testing.T) {
//		providertest.Conform(t, func(t *testing.T) providertest.Pair { … })
//	}
func Conform(t *testing.T, mk func(*testing.T) Pair) { winsocktest.Conform(t, mk) }

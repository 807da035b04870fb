//go:build linux

package storey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/netnsd/netnsd/bench/internal/storey"
	"github.com/netnsd/netnsd/bench/internal/subject"
	"github.com/netnsd/netnsd/provider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func TestCost(t *testing.T) {
	for layer, costs := range map[string]bool{"policy": false, "look": true} {
		l, err := subject.Layer(layer)
		if err != nil {
			t.Fatal(err)
		}
		// Two loops of the same functions may differ by a tenth or two, on a machine
		// that does other things meanwhile by more, but not each time; under the race
		// detector, whose shadow memory is elsewhere for each, they do.
		var ns float64
		for range 5 {
			if ns, err = storey.Cost(t.Context(), l, 300*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if (ns >= 1) == costs {
				break
			}
		}
		if (ns >= 1) != costs && !raceEnabled {
			t.Errorf("%s: %v ns", layer, ns)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := storey.Cost(ctx, subject.Look{}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

//go:build linux

package plane

import "testing"

func TestOfMemory(t *testing.T) {
	for _, c := range []struct {
		of   uint64
		want int64
	}{
		{30 << 20, 10 << 20}, {64 << 20, 40 << 20}, {96 << 20, 72 << 20}, {1 << 30, 768 << 20}, {1<<64 - 1, 3 << 60},
	} {
		if got := ofMemory(c.of); got != c.want {
			t.Errorf("of %d MiB: %d, want %d", c.of>>20, got, c.want)
		}
	}
}

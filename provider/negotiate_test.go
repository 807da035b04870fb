package provider_test

import (
	"testing"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// TestNegotiate is the table of winsock-spi 3.1.
func TestNegotiate(t *testing.T) {
	v := provider.MAKEWORD
	for _, row := range []struct {
		name                        string
		requested, lowest, highest  uint16
		version, high               uint16
		want                        wsa.Errno
		callerGivesUp               bool
		callerLowest, callerHighest uint16
	}{
		{name: "1.1 and 1.1", requested: v(1, 1), lowest: v(1, 1), highest: v(1, 1), version: v(1, 1), high: v(1, 1), callerLowest: v(1, 1)},
		{name: "1.0 1.1 and 1.0", requested: v(1, 1), lowest: v(1, 0), highest: v(1, 0), version: v(1, 0), high: v(1, 0), callerLowest: v(1, 0)},
		{name: "1.0 and 1.0 1.1", requested: v(1, 0), lowest: v(1, 0), highest: v(1, 1), version: v(1, 0), high: v(1, 1), callerLowest: v(1, 0)},
		{name: "1.1 and 1.0 1.1", requested: v(1, 1), lowest: v(1, 0), highest: v(1, 1), version: v(1, 1), high: v(1, 1), callerLowest: v(1, 1)},
		{name: "1.1 and 1.0", requested: v(1, 1), lowest: v(1, 0), highest: v(1, 0), version: v(1, 0), high: v(1, 0), callerLowest: v(1, 1), callerGivesUp: true},
		{name: "1.0 and 1.1", requested: v(1, 0), lowest: v(1, 1), highest: v(1, 1), want: wsa.VERNOTSUPPORTED},
		{name: "1.0 1.1 2.0 and 1.1", requested: v(2, 0), lowest: v(1, 1), highest: v(1, 1), version: v(1, 1), high: v(1, 1), callerLowest: v(1, 0)},
		{name: "2.2 and 2.2", requested: v(2, 2), lowest: v(2, 2), highest: v(2, 2), version: v(2, 2), high: v(2, 2), callerLowest: v(2, 2)},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, e := provider.Negotiate(row.requested, row.lowest, row.highest)
			if e != row.want || d.Version != row.version || d.HighVersion != row.high {
				t.Errorf("%#x of %#x, %v; want %#x of %#x, %v", d.Version, d.HighVersion, e, row.version, row.high, row.want)
			}
			if e == 0 && row.callerGivesUp != (d.Version < row.callerLowest) {
				t.Errorf("the caller gives up: %v", !row.callerGivesUp)
			}
		})
	}
}

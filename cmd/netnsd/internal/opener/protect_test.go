//go:build linux

package opener

import (
	"slices"
	"strings"
	"testing"
)

func TestSettingsOf(t *testing.T) {
	const mountinfo = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
24 22 0:22 / /sys rw - sysfs sysfs rw
25 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
40 22 0:21 / /srv/a\040b/proc rw - proc proc rw
41 22 0:21 /sys /box/proc/sys ro - proc proc rw
broken
1 2 3 4 - proc
`
	want := []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/sys",
		"/srv/a b/proc/sys", "/srv/a b/proc/sysrq-trigger", "/srv/a b/proc/irq", "/srv/a b/proc/bus", "/box/proc/sys"}
	if got, err := settingsOf(strings.NewReader(mountinfo)); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzSettingsOf(f *testing.F) {
	f.Add("40 22 0:21 / /srv/a\\040b/proc rw - proc proc rw")
	f.Fuzz(func(t *testing.T, s string) { settingsOf(strings.NewReader(s)) })
}

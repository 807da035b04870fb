package owner

import (
	"fmt"
	"strconv"
	"strings"
)

// startTime reads field 22 of proc_pid_stat(5). The second, the process's name in
// parentheses, may hold anything.
func startTime(stat string) (uint64, error) {
	rest := stat[strings.LastIndexByte(stat, ')')+1:]
	if fields := strings.Fields(rest); len(fields) > 19 {
		return strconv.ParseUint(fields[19], 10, 64)
	}
	return 0, fmt.Errorf("/proc: no start time in %q", stat)
}

// cgroup is the path in proc_pid_cgroup(5): that of the unified hierarchy, else that
// of systemd's own, else the first. One that lies outside of our own cgroup
// namespace (/../) has no name here.
func cgroup(file string) string {
	var found string
	rank := 0
	for line := range strings.Lines(file) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") {
			continue
		}
		r := 1
		switch {
		case parts[0] == "0" && parts[1] == "":
			r = 3
		case parts[1] == "name=systemd":
			r = 2
		}
		if r > rank {
			found, rank = parts[2], r
		}
	}
	if found == "/.." || strings.HasPrefix(found, "/../") {
		return ""
	}
	return found
}

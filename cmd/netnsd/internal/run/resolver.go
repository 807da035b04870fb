//go:build linux

package run

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/sockets/gateway/dns"
)

// readResolver reads the host's resolv.conf(5); one that does not exist says
// nothing.
func readResolver(file string) (dns.ResolvConf, error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dns.ResolvConf{}, err
	}
	return dns.ParseResolvConf(string(b)), nil
}

// searching replaces the search list in lines of a resolv.conf if there is another.
func searching(keep, domains []string) []string {
	if len(domains) == 0 {
		return keep
	}
	keep = slices.DeleteFunc(slices.Clone(keep), func(line string) bool { return !strings.HasPrefix(line, "options ") })
	return append(keep, "search "+strings.Join(domains, " "))
}

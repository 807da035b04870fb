//go:build linux

package confine

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// readable is what a data plane reads while it runs, as far as the user may: names
// and addresses of the system, by which they are found (resolv.conf and hosts, which
// are replaced, not written, so that the folder has to be named), certificates,
// limits of the kernel.
var readable = []string{
	"/etc", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/zoneinfo", "/proc/sys/net",
}

const resolvConf = "/etc/resolv.conf"

const (
	read    = ll.AccessFSReadFile | ll.AccessFSReadDir
	replace = ll.AccessFSMakeReg | ll.AccessFSRemoveFile
	write   = ll.AccessFSWriteFile
	remove  = ll.AccessFSRemoveFile
)

// opens is what remains, in words.
func (cfg Config) opens() (all []string) {
	for _, path := range cfg.reads() {
		all = append(all, "but reads "+path)
	}
	for _, path := range cfg.Replace {
		all = append(all, "but replaces in "+path)
	}
	for _, path := range cfg.Append {
		all = append(all, "but writes to "+path)
	}
	for _, path := range cfg.Remove {
		all = append(all, "but removes from "+path)
	}
	return all
}

func (cfg Config) reads() []string {
	all := append(readable[:len(readable):len(readable)], cfg.Read...)
	// A link into /run, where systemd-resolved or NetworkManager writes it anew.
	if real, err := filepath.EvalSymlinks(resolvConf); err == nil && real != resolvConf {
		all = append(all, filepath.Dir(real))
	}
	return all
}

// files leaves the process what cfg says. Sockets of the internet and signals are
// not Landlock's here. It takes Linux 5.13, with one right more in 5.19, 6.2 and 6.10.
func (cfg Config) files() error {
	_ = time.Now().Local().Format(time.RFC3339) // reads the zone, which $TZ may have anywhere
	rules := []landlock.Rule{landlock.PathAccess(read, cfg.reads()...).IgnoreIfMissing()}
	if len(cfg.Replace) > 0 {
		rules = append(rules, landlock.PathAccess(replace, cfg.Replace...))
	}
	for _, path := range cfg.Append {
		access := landlock.AccessFSSet(write)
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			access |= ll.AccessFSMakeReg
		}
		rules = append(rules, landlock.PathAccess(access, path).IgnoreIfMissing())
	}
	if len(cfg.Remove) > 0 {
		rules = append(rules, landlock.PathAccess(remove, cfg.Remove...).IgnoreIfMissing())
	}
	return landlock.V5.BestEffort().RestrictPaths(rules...)
}

// missingLandlock says why there is none, "" if there is.
func missingLandlock() string {
	version, err := ll.LandlockGetABIVersion()
	if err != nil || version < 1 {
		return fmt.Sprintf("the kernel has no Landlock, or it is not enabled (CONFIG_SECURITY_LANDLOCK, lsm=): %v", err)
	}
	return ""
}

// Folder is the folder that Config.Replace has to name for file to be replaced.
func Folder(file string) string {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	if st, err := os.Stat(file); err == nil && !st.Mode().IsRegular() {
		return "" // it is written to as it is
	}
	return filepath.Dir(file)
}

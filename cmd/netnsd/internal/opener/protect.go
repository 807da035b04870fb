//go:build linux

package opener

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// settings are files by which uid 0 changes the machine, and can have a program
// of its choice run outside with every right (core_pattern, uevent_helper,
// sysrq): the kernel asks for the uid there, not for a capability. By type of file
// system; "" is all of it.
var settings = map[string][]string{"proc": {"sys", "sysrq-trigger", "irq", "bus"}, "sysfs": {""}}

// protect makes them read-only for root's child, wherever they are mounted: a chroot
// has views of its own. Another user's child has no right to write there as it is.
func protect() error {
	if os.Geteuid() != 0 {
		return nil
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return failure("protect settings", err)
	}
	defer f.Close()
	paths, err := settingsOf(f)
	if err != nil {
		return failure("protect settings", err)
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := bindTree(path); err != nil {
			return failure("protect "+path, err)
		}
	}
	return nil
}

// settingsOf reads proc_pid_mountinfo(5) for where settings are:
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func settingsOf(mountinfo io.Reader) (all []string, err error) {
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		mount, super, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(mount), strings.Fields(super)
		if !ok || len(left) < 5 || len(right) < 1 {
			continue
		}
		root, at := left[3], unescape(left[4])
		for _, name := range settings[right[0]] {
			if root != "/" { // a part of it, such as a container's /proc/sys
				name = ""
			}
			all = append(all, filepath.Join(at, name))
			if root != "/" {
				break
			}
		}
	}
	return all, lines.Err()
}

// unescape undoes the octal of blanks and backslashes (\\040).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// bindTree makes path and what is mounted below it read-only. The mounts below come
// with it: in a user namespace they may not be left out.
func bindTree(path string) error {
	if err := mount(path, path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	err := unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &attr)
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.12
		return mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	return os.NewSyscallError("mount_setattr", err)
}

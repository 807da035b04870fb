package owner

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/provider"
)

// read goes over all processes and fills in who holds what is wanted.
func (p *Proc) read(ctx context.Context, wanted map[uint64]holders) error {
	root, err := os.Open(p.root)
	if err != nil {
		return err
	}
	defer root.Close()
	budget := maxDescriptors
	for {
		names, err := root.Readdirnames(512)
		for _, name := range names {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			pid, e := strconv.Atoi(name)
			if e != nil {
				continue
			}
			if err := p.look(int(root.Fd()), pid, wanted, &budget); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // io.EOF
		}
	}
}

// look looks at one process. One that ends meanwhile, or that may not be looked at,
// is passed over. All of it is read by way of one descriptor, which stands for this
// process and for none that has its pid afterwards.
func (p *Proc) look(root, pid int, wanted map[uint64]holders, budget *int) error {
	if !p.lives(root, strconv.Itoa(pid)+"/ns/net") {
		return nil // most of them: one call
	}
	dir, err := unix.Openat(root, strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	if !p.lives(dir, "ns/net") {
		return nil
	}
	held, err := sockets(dir, wanted, budget)
	if err != nil || len(held) == 0 {
		return err
	}
	who, ok := describe(dir, pid)
	if !ok {
		return nil
	}
	for _, inode := range held {
		h := wanted[inode]
		if len(h.all) >= maxHolders {
			return errTooMany
		}
		h.all = append(h.all, who)
		wanted[inode] = h
	}
	return nil
}

// lives reports whether the process whose file this is lives in the network.
func (p *Proc) lives(dir int, file string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, file, &st, 0) == nil && st.Ino == p.network
}

// sockets are those of the wanted inodes that the process at dir has open.
func sockets(dir int, wanted map[uint64]holders, budget *int) (held []uint64, err error) {
	fd, err := unix.Openat(dir, "fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil
	}
	list := os.NewFile(uintptr(fd), "fd")
	defer list.Close()
	seen := make(map[uint64]bool)
	var link [64]byte
	for {
		names, err := list.Readdirnames(1024)
		if *budget -= len(names); *budget < 0 {
			return nil, errTooMany
		}
		for _, name := range names {
			n, e := unix.Readlinkat(fd, name, link[:])
			if e != nil {
				continue
			}
			inode, ok := socketInode(string(link[:n]))
			if _, is := wanted[inode]; ok && is && !seen[inode] {
				seen[inode] = true
				held = append(held, inode)
			}
		}
		if err != nil {
			return held, nil
		}
	}
}

// socketInode reads "socket:[4711]", which proc_pid_fd(5) has for a socket.
func socketInode(link string) (uint64, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, "]"); !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// describe is what is known of the process at dir; ok is false if it has ended.
func describe(dir, pid int) (who provider.Process, ok bool) {
	started, err := startOf(dir)
	if err != nil {
		return who, false
	}
	who = provider.Process{PID: pid, Started: started}
	who.Executable, who.Deleted = executable(dir)
	if b, err := readAt(dir, "cmdline"); err == nil {
		who.Argv0, _, _ = strings.Cut(string(b), "\x00")
	}
	if b, err := readAt(dir, "cgroup"); err == nil {
		who.CGroup = cgroup(string(b))
	}
	return who, true
}

// still reports whether was lives and executes what it did.
func (p *Proc) still(was provider.Process) bool {
	dir, err := unix.Open(fmt.Sprintf("%s/%d", p.root, was.PID), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	started, err := startOf(dir)
	if err != nil || started != was.Started {
		return false
	}
	exe, deleted := executable(dir)
	return exe == was.Executable && deleted == was.Deleted
}

func startOf(dir int) (uint64, error) {
	b, err := readAt(dir, "stat")
	if err != nil {
		return 0, err
	}
	return startTime(string(b))
}

// executable is the path of the file that the process executes. The kernel says
// " (deleted)" behind one that is no longer there, and so may a file be called.
func executable(dir int) (path string, deleted bool) {
	var link [unix.PathMax]byte
	n, err := unix.Readlinkat(dir, "exe", link[:])
	if err != nil || n == len(link) || n == 0 || link[0] != '/' {
		return "", false // a kernel thread, or out of reach
	}
	path = string(link[:n])
	bare, marked := strings.CutSuffix(path, " (deleted)")
	if !marked {
		return path, false
	}
	var runs, there unix.Stat_t
	if unix.Fstatat(dir, "exe", &runs, 0) == nil && runs.Nlink > 0 &&
		unix.Stat(path, &there) == nil && there.Ino == runs.Ino && there.Dev == runs.Dev {
		return path, false
	}
	return bare, true
}

// readAt reads the beginning of a small file.
func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	var n int
	err = again(func() (err error) { n, err = unix.Read(fd, b); return err })
	return b[:max(n, 0)], err
}

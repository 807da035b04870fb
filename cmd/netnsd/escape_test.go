//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ways out of a run that a program can try, by name; each prints how it ended
// when its client calls it.
var escapes = map[string]func(args []string) error{
	"socket":    socketOf,
	"unix":      connectUnix,
	"iouring":   ioUring,
	"inherit":   inherited,
	"join":      joinNamespace,
	"attach":    attachTo,
	"configure": configure,
	"oldkernel": oldKernel,
}

// escape WAY [ARG...]
func escape(args []string) error { return escapes[args[0]](args[1:]) }

// socket FAMILY TYPE PROTOCOL makes one and no more.
func socketOf(args []string) error {
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[i]); err != nil {
			return err
		}
	}
	fd, err := unix.Socket(n[0], n[1], n[2])
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// unix PATH connects to a service of the host.
func connectUnix(args []string) error {
	c, err := net.Dial("unix", args[0])
	if err == nil {
		c.Close()
	}
	return err
}

// iouring asks for a ring, by which sockets can be made around a filter.
func ioUring([]string) error {
	params := make([]byte, 120) // struct io_uring_params, zero
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// inherit lists what it was given above 2 as an error.
func inherited([]string) error {
	var all []string
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return err
	}
	for _, f := range files {
		fd, _ := strconv.Atoi(filepath.Base(f))
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if fd > 2 && err == nil && flags&unix.FD_CLOEXEC == 0 { // Go's own have that
			all = append(all, strconv.Itoa(fd))
		}
	}
	if len(all) > 0 {
		return fmt.Errorf("descriptors %v", all)
	}
	return nil
}

// join PID: the network of a process outside.
func joinNamespace(args []string) error {
	f, err := os.Open("/proc/" + args[0] + "/ns/net")
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
}

// attach PID: to a process outside, which would make sockets for it.
func attachTo(args []string) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return unix.PtraceAttach(pid)
}

// configure takes the device down.
func configure([]string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("tun0")
	if err != nil {
		return err
	}
	ifr.SetUint16(0)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// oldkernel COMMAND [ARG...] becomes the command, for which there is no Landlock.
func oldKernel(args []string) error {
	file, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_LANDLOCK_CREATE_RULESET, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return syscall.Exec(file, args, os.Environ())
}

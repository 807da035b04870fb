package owner

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Descriptor opens the descriptor of a Diag, close-on-exec, for the network
// namespace that the calling thread is in. It needs no right there, and none comes
// with it but to ask.
func Descriptor() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("sock_diag: %w", os.NewSyscallError("socket", err))
	}
	// Connected to the kernel, it hears nobody else.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("sock_diag: %w", os.NewSyscallError("connect", err))
	}
	return fd, nil
}

// Open is Adopt of a new Descriptor.
func Open() (*Diag, error) {
	fd, err := Descriptor()
	if err != nil {
		return nil, err
	}
	return Adopt(fd)
}

// Adopt makes a Diag of a descriptor that Descriptor has opened, here or in another
// process. It is the Diag's from now on, also on an error.
func Adopt(fd int) (*Diag, error) {
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	family, e := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case err != nil:
		err = os.NewSyscallError("getsockopt", err)
	case e != nil:
		err = os.NewSyscallError("getsockopt", e)
	case family != unix.AF_NETLINK || protocol != unix.NETLINK_SOCK_DIAG:
		err = unix.EPROTOTYPE
	default:
		err = unix.SetNonblock(fd, true) // the kernel answers at once, or it does not
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("descriptor %d is no sock_diag socket: %w", fd, err)
	}
	return newDiag(descriptor(fd)), nil
}

// descriptor is the conversation with a kernel.
type descriptor int

func (d descriptor) send(b []byte) error {
	return os.NewSyscallError("sendto", again(func() error { return unix.Send(int(d), b, 0) }))
}

func (d descriptor) receive(b []byte) (n int, err error) {
	for {
		var from unix.Sockaddr
		err = again(func() (err error) {
			n, from, err = unix.Recvfrom(int(d), b, 0)
			return err
		})
		if err != nil {
			return 0, os.NewSyscallError("recvfrom", err)
		}
		if k, ok := from.(*unix.SockaddrNetlink); ok && k.Pid == 0 {
			return n, nil
		}
	}
}

func (d descriptor) Close() error { return os.NewSyscallError("close", unix.Close(int(d))) }

// again repeats a system call that a signal has interrupted.
func again(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

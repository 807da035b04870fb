//go:build linux

package opener

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Name is argv[0] of the process that is to become the opener.
const Name = "netnsd-opener"

// fdsEnv names the opener's own descriptors, the first above 2 that the program does
// not keep: its end of the socket pair, and the list of the unix sockets in the data
// plane's network. The program does not see it.
const fdsEnv = "NETNSD_OPENER_FDS"

// Request is what the data plane wants the program to find.
type Request struct {
	// Program is the file to execute, as Lookup found it.
	Program string
	// Device is the name of the TUN, MTU its size in bytes.
	Device string
	MTU    int
	// Addrs are the program's addresses, one a family. Gateways are the next hops
	// of the default routes, one for each of Addrs.
	Addrs    []netip.Prefix
	Gateways []netip.Addr
	// ResolvConf is the content of /etc/resolv.conf.
	ResolvConf string
	// KeepFDs are the descriptors above 2 that the program gets; the caller has
	// them open, without close-on-exec.
	KeepFDs []int
	// Confine is for a program that runs under rules: what the network namespace does
	// not hold is shut, too. All unix sockets of the host are hidden but KeepSockets,
	// see Services; without it only Resolvers are. There is no io_uring.
	Confine     bool
	KeepSockets []string

	sockets *os.File // the opener's: proc_pid_net(5)'s list of unix sockets

	// UserNS is set by Start: whether the opener is in a user namespace of its own.
	UserNS bool
	// Parent is set by Start: the process whose end is the program's end.
	Parent int
}

// Setup is the opener's answer.
type Setup struct {
	Addrs []netip.Prefix // those of the request that the kernel took
	// Means are what keeps the program from the ways around its network.
	Means []Mean
	// Device is the index of the device inside. UserNS says that the opener's user
	// namespace knows one uid alone, and so does the sock_diag descriptor.
	Device uint32
	UserNS bool
	// Warnings are what could not be had and is not needed for the chain to hold:
	// IPv6 where the kernel has none, ping where the sysctl is read-only.
	Warnings []string
}

// An Error is what the opener could not do. Step is the object and the attempt,
// Errno the kernel's code if it had one. Exec means that all was done but for
// the last step: the kernel refuses to execute the program.
type Error struct {
	Step  string
	Text  string
	Errno syscall.Errno
	Exec  bool
}

func (e *Error) Error() string {
	if e.Step == "" {
		return e.Text
	}
	return e.Step + ": " + e.Text
}

func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// failure makes an error fit for the wire.
func failure(step string, err error) *Error {
	var code syscall.Errno
	errors.As(err, &code)
	return &Error{Step: step, Text: err.Error(), Errno: code}
}

// message is what the opener sends: a Setup, or why there is none.
type message struct {
	Setup *Setup `json:",omitempty"`
	Error *Error `json:",omitempty"`
}

// maxMessage bounds one packet of the conversation; the largest is a Request
// with its resolv.conf.
const maxMessage = 64 << 10

func send(fd int, v any, rights ...int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("message of %d bytes: %w", len(b), unix.EMSGSIZE)
	}
	var oob []byte
	if len(rights) > 0 {
		oob = unix.UnixRights(rights...)
	}
	return retry(func() error { return unix.Sendmsg(fd, b, oob, nil, unix.MSG_NOSIGNAL) })
}

// maxRights are descriptors in one message.
const maxRights = 2

// receive reads one packet into v, and the descriptors that came with it. io.EOF is
// the other side's end.
func receive(fd int, v any) (rights []int, err error) {
	buf, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxRights))
	var n, oobn int
	err = retry(func() (err error) {
		n, oobn, _, _, err = unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if errors.Is(err, unix.ECONNRESET) {
		return nil, io.EOF // the other side ended before it had read what we sent
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	if n == 0 {
		return nil, io.EOF
	}
	if oobn > 0 {
		if rights, err = rightsOf(oob[:oobn]); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(buf[:n], v); err != nil {
		closeAll(rights)
		return nil, err
	}
	return rights, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func rightsOf(oob []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("control message: %w", errors.Join(err, unix.EBADMSG))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("descriptors: %w", errors.Join(err, unix.EBADMSG))
	}
	return fds, nil
}

// retry repeats a system call that a signal has interrupted.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

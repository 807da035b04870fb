//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// client is an unmodified network program: it knows package net and nothing of
// netnsd. It prints what it saw in one word, so that tests compare it with what
// a real network shows.
func client() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "netnsd-client dial|reset|halfclose|udp|fetch|escape ...")
		os.Exit(2)
	}
	verbs := map[string]func(args []string) error{
		"dial": dial, "reset": reset, "halfclose": halfClose, "udp": udpEcho, "fetch": fetchMany, "lookup": lookup, "type": typeKeys, "escape": escape, "hello": sayHello, "quic": sayQUIC,
		"query": query, "doh": askHTTPS, "udperror": udpError, "udpecho": udpEchoOf, "pmtu": pathMTU, "ports": ports, "hold": hold, "crowd": crowd, "flood": flood,
	}
	err := verbs[os.Args[1]](os.Args[2:])
	fmt.Println(outcome(err))
}

func outcome(err error) string {
	var code syscall.Errno
	var name *net.DNSError
	var timeout net.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &code):
		names := map[syscall.Errno]string{
			syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ECONNRESET: "ECONNRESET", syscall.EHOSTUNREACH: "EHOSTUNREACH",
			syscall.ENETUNREACH: "ENETUNREACH", syscall.EACCES: "EACCES", syscall.EPIPE: "EPIPE", syscall.EPERM: "EPERM", syscall.ENOTTY: "ENOTTY",
			syscall.ENOSYS: "ENOSYS", syscall.EAFNOSUPPORT: "EAFNOSUPPORT",
			syscall.EMSGSIZE: "EMSGSIZE",
		}
		if n, ok := names[code]; ok {
			return n
		}
		return code.Error()
	case errors.As(err, &name) && name.IsNotFound:
		return "NXDOMAIN"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return err.Error()
}

// typeKeys KEYS: puts keys into the input of the terminal, as if typed.
func typeKeys(args []string) error {
	for _, key := range []byte(args[0]) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCSTI, uintptr(unsafe.Pointer(&key))); errno != 0 {
			return errno
		}
	}
	return nil
}

// dial NETWORK ADDR [TIMEOUT]
func dial(args []string) error {
	timeout := 10 * time.Second
	if len(args) > 2 {
		timeout, _ = time.ParseDuration(args[2])
	}
	c, err := net.DialTimeout(args[0], args[1], timeout)
	if err != nil {
		return err
	}
	return c.Close()
}

// reset ADDR: reads until the end, which is to be a reset.
func reset(args []string) error {
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}

// halfclose ADDR BYTES [CHUNK]: sends, says that it has sent all, and expects back the
// sum of what arrived.
func halfClose(args []string) error {
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	sum := sha256.New()
	to := io.MultiWriter(c, sum)
	if len(args) > 2 {
		chunk, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		to = chunks{to, chunk}
	}
	if _, err := io.Copy(to, io.LimitReader(new(pattern), int64(size))); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err == nil && string(answer) != fmt.Sprintf("%x", sum.Sum(nil)) {
		err = fmt.Errorf("the server has seen %q, sent was %x", answer, sum.Sum(nil))
	}
	return err
}

// chunks writes so many bytes at once.
type chunks struct {
	w io.Writer
	n int
}

func (c chunks) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = c.w.Write(b[n:min(n+c.n, len(b))])
		n += m
	}
	return n, err
}

// udp ADDR [TIMEOUT]: one datagram and its echo.
func udpEcho(args []string) error {
	timeout := 5 * time.Second
	if len(args) > 1 {
		timeout, _ = time.ParseDuration(args[1])
	}
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write([]byte("datagram")); err != nil {
		return err
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err == nil && string(buf[:n]) != "datagram" {
		err = fmt.Errorf("echo %q", buf[:n])
	}
	return err
}

// udpError ADDR: what the network says of datagrams to ADDR, of which one is sent
// each 50 ms.
func udpError(args []string) error {
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	hearErrors(c.(*net.UDPConn))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		c.SetDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = c.Write([]byte("datagram"))
		if err == nil {
			_, err = c.Read(make([]byte, 100))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return err
}

// hearErrors has every ICMP error told (IP_RECVERR), not only those that Linux
// holds to be final.
func hearErrors(c *net.UDPConn) {
	setOptions(c, [][3]int{{syscall.IPPROTO_IP, syscall.IP_RECVERR, 1}}, [][3]int{{syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1}})
}

// setOptions sets the options of c's family: level, name, value.
func setOptions(c *net.UDPConn, v4, v6 [][3]int) {
	raw, err := c.SyscallConn()
	if err != nil {
		panic(err)
	}
	set := v4
	if c.LocalAddr().(*net.UDPAddr).IP.To4() == nil {
		set = v6
	}
	raw.Control(func(fd uintptr) {
		for _, o := range set {
			if err := syscall.SetsockoptInt(int(fd), o[0], o[1], o[2]); err != nil {
				panic(fmt.Sprint("setsockopt ", o, ": ", err))
			}
		}
	})
}

// udpecho ADDR SIZE: a datagram of SIZE bytes and its echo. What is lost because the
// path is not known yet is sent again.
func udpEchoOf(args []string) error {
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	sent, buf := make([]byte, size), make([]byte, 65536)
	io.ReadFull(new(pattern), sent)
	for end := time.Now().Add(20 * time.Second); ; {
		n := 0
		c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := c.Write(sent)
		if err == nil {
			n, err = c.Read(buf)
		}
		again := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EMSGSIZE) // told of the path
		switch {
		case err == nil && !bytes.Equal(buf[:n], sent):
			return fmt.Errorf("%d other bytes", n)
		case !again || time.Now().After(end):
			return err
		}
	}
}

// pmtu ADDR MTU: datagrams of 1400 bytes that may not be fragmented, until the kernel
// refuses them, which is to be because it has heard of MTU.
func pathMTU(args []string) error {
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	const do = 2 // IP_PMTUDISC_DO
	setOptions(c.(*net.UDPConn), [][3]int{{syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, do}}, [][3]int{{syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER, do}})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err = c.Write(make([]byte, 1400)); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.EMSGSIZE) {
		return err
	}
	level, name := syscall.IPPROTO_IP, 14 // IP_MTU
	if c.LocalAddr().(*net.UDPAddr).IP.To4() == nil {
		level, name = syscall.IPPROTO_IPV6, syscall.IPV6_MTU
	}
	mtu := 0
	raw, _ := c.(*net.UDPConn).SyscallConn()
	raw.Control(func(fd uintptr) { mtu, err = syscall.GetsockoptInt(int(fd), level, name) })
	if err == nil && fmt.Sprint(mtu) != args[1] {
		err = fmt.Errorf("path MTU %d", mtu)
	}
	return err
}

// ports ADDR ADDR: whether two servers, which say whom they see, see one port.
func ports(args []string) error {
	c, err := net.ListenPacket("udp", "")
	if err != nil {
		return err
	}
	defer c.Close()
	seen := map[string]bool{}
	buf := make([]byte, 100)
	for _, addr := range args {
		to, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return err
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.WriteTo([]byte("whom do you see?"), to); err != nil {
			return err
		}
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		seen[string(buf[:n])] = true
	}
	if len(seen) != 1 {
		return fmt.Errorf("%d ports", len(seen))
	}
	return nil
}

// fetch URL N SHA256: N at a time, each on a connection of its own.
func fetchMany(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, err := client.Get(args[0])
			if err == nil {
				sum := sha256.New()
				_, err = io.Copy(sum, r.Body)
				r.Body.Close()
				if got := fmt.Sprintf("%x", sum.Sum(nil)); err == nil && got != args[2] {
					err = fmt.Errorf("sha256 %s, want %s", got, args[2])
				}
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// hello ADDR NAME PIECE PAD: a TLS handshake that asks for the server NAME, sent PIECE
// bytes at a time, in a ClientHello that is PAD bytes longer than it need be.
func sayHello(args []string) error {
	c, err := net.DialTimeout("tcp", args[0], 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.(*net.TCPConn).SetNoDelay(true)
	piece, _ := strconv.Atoi(args[2])
	pad, _ := strconv.Atoi(args[3])
	protocols := []string{"http/1.1"}
	for ; pad > 0; pad -= 200 {
		protocols = append(protocols, strings.Repeat("x", 199))
	}
	return tls.Client(pieces{c, piece}, &tls.Config{ServerName: args[1], NextProtos: protocols, InsecureSkipVerify: true}).Handshake()
}

type pieces struct {
	net.Conn
	n int
}

func (p pieces) Write(b []byte) (done int, err error) {
	for done < len(b) && err == nil {
		var m int
		m, err = p.Conn.Write(b[done:min(done+p.n, len(b))])
		done += m
	}
	return done, err
}

// lookup NAME
func lookup(args []string) error {
	_, err := net.LookupHost(args[0])
	return err
}

// pattern is an endless stream of bytes that do not repeat soon, the same
// however it is read.
type pattern struct{ state uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		p.state = p.state*6364136223846793005 + 1442695040888963407
		b[i] = byte(p.state >> 56)
	}
	return len(b), nil
}

// crowd makes connections until one fails, and looks whether the others live.
func crowd(args []string) error {
	var all []net.Conn
	var last error
	for last == nil {
		var c net.Conn
		if c, last = net.Dial("tcp", args[0]); last == nil {
			all = append(all, c)
		}
	}
	for _, c := range all {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return err
		}
	}
	fmt.Println(len(all))
	return last
}

// hold has n connections to an echo, says so when each has been answered, and waits
// for its end.
func hold(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var held []net.Conn
	for range n {
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		if _, err = c.Write([]byte("x")); err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
		}
		if err != nil {
			return err
		}
		held = append(held, c)
	}
	fmt.Println("ok")
	syscall.Pause()
	runtime.KeepAlive(held)
	return nil
}

package base

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// option is one row of winsock-spi 9. An option is a value of four bytes: a bool, an
// int, or the two 16-bit halves of struct linger; or a struct.
type option struct {
	level, name int32
	on          kinds // other sockets: ENOPROTOOPT, or misfit if set
	misfit      wsa.Errno

	def      int  // read until it is set
	boolean  bool // any non-zero value is 1
	min, max int  // otherwise EINVAL; both 0: any

	down    effect
	enforce bool // the driver's default may differ: pushed to every endpoint
	early   bool // set before bind, or EINVAL; means nothing to an accepted endpoint

	read  func(*socket) (int, wsa.Errno) // instead of reading what was set
	write func(*socket, int) wsa.Errno   // may refuse the value; with setSelf it does all of the setting
	only  access

	// A struct is only read: its bytes, and what writes them.
	size   int
	fields func(*socket, []byte) wsa.Errno

	// A value of its own form: what reads it, with the size needed and EFAULT for a
	// short buffer, and what sets it.
	fetch func(*socket, *option, []byte) (int, wsa.Errno)
	put   func(*socket, *option, []byte) wsa.Errno
}

// effect is what becomes of an option at the driver.
type effect uint8

const (
	none     effect = iota // kept here
	told                   // pushed; a driver that has no such thing does not matter
	needed                 // pushed; a driver that has no such thing makes it ENOPROTOOPT
	measured               // asked of the driver
)

// access limits what can be done with an option.
type access uint8

const (
	both    access = iota
	getOnly        // setting it is ENOPROTOOPT
	setOnly        // getting it is ENOPROTOOPT; write does all of it
	setSelf        // write does all of it
	refusal        // EINVAL since Vista, to get and to set
)

// kinds says on which sockets an option exists.
type kinds uint8

const (
	onStream kinds = 1 << iota
	onDatagram
	onRaw
	onIPv4
	onIPv6

	onMessage = onDatagram | onRaw
	onType    = onStream | onMessage
	onFamily  = onIPv4 | onIPv6
	onAll     = onType | onFamily
)

const anyInt = math.MaxInt32

// options are the rows. The order of a socket's own values is that in which they
// were set; they are replayed in it.
var options = []option{
	{level: wsa.SOL_SOCKET, name: wsa.SO_DEBUG, on: onAll, boolean: true},
	{level: wsa.SOL_SOCKET, name: wsa.SO_ACCEPTCONN, on: onAll, only: getOnly, read: acceptsConnections},
	{level: wsa.SOL_SOCKET, name: wsa.SO_REUSEADDR, on: onAll, boolean: true, down: told, write: notWith(wsa.SO_EXCLUSIVEADDRUSE)},
	{level: wsa.SOL_SOCKET, name: wsa.SO_EXCLUSIVEADDRUSE, on: onAll, boolean: true, down: told, early: true, write: notWith(wsa.SO_REUSEADDR)},
	{level: wsa.SOL_SOCKET, name: wsa.SO_KEEPALIVE, on: onStream | onFamily, boolean: true, down: needed, write: keepAlive},
	{level: wsa.SOL_SOCKET, name: wsa.SO_DONTROUTE, on: onType | onIPv4, boolean: true},
	{level: wsa.SOL_SOCKET, name: wsa.SO_BROADCAST, on: onMessage | onIPv4, boolean: true, down: told},
	{level: wsa.SOL_SOCKET, name: wsa.SO_USELOOPBACK, on: onAll, only: refusal},
	{level: wsa.SOL_SOCKET, name: wsa.SO_LINGER, on: onStream | onFamily},
	{level: wsa.SOL_SOCKET, name: wsa.SO_DONTLINGER, on: onStream | onFamily, boolean: true, only: setSelf, read: dontLinger, write: setDontLinger},
	{level: wsa.SOL_SOCKET, name: wsa.SO_OOBINLINE, on: onStream | onFamily, boolean: true, down: told},
	{level: wsa.SOL_SOCKET, name: wsa.SO_SNDBUF, on: onAll, max: anyInt, down: told, read: bufferSize(wsa.SO_SNDBUF)},
	{level: wsa.SOL_SOCKET, name: wsa.SO_RCVBUF, on: onAll, max: anyInt, down: told, read: bufferSize(wsa.SO_RCVBUF)},
	{level: wsa.SOL_SOCKET, name: wsa.SO_SNDLOWAT, on: onAll, only: refusal},
	{level: wsa.SOL_SOCKET, name: wsa.SO_RCVLOWAT, on: onAll, only: refusal},
	{level: wsa.SOL_SOCKET, name: wsa.SO_ERROR, on: onAll, only: getOnly, read: lastError},
	{level: wsa.SOL_SOCKET, name: wsa.SO_TYPE, on: onAll, only: getOnly, read: socketType},
	{level: wsa.SOL_SOCKET, name: wsa.SO_GROUP_ID, on: onAll, only: getOnly},
	{level: wsa.SOL_SOCKET, name: wsa.SO_GROUP_PRIORITY, on: onAll},
	{level: wsa.SOL_SOCKET, name: wsa.SO_MAX_MSG_SIZE, on: onMessage | onFamily, only: getOnly, read: maxMessage},
	{level: wsa.SOL_SOCKET, name: wsa.SO_RANDOMIZE_PORT, on: onAll, boolean: true, early: true},
	{level: wsa.SOL_SOCKET, name: wsa.SO_PORT_SCALABILITY, on: onAll, boolean: true, early: true},
	{level: wsa.SOL_SOCKET, name: wsa.SO_REUSE_UNICASTPORT, on: onAll, boolean: true},
	{level: wsa.SOL_SOCKET, name: wsa.SO_REUSE_MULTICASTPORT, on: onAll, only: getOnly},

	{level: wsa.IPPROTO_TCP, name: wsa.TCP_NODELAY, on: onStream | onFamily, boolean: true, down: told},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_KEEPIDLE, on: onStream | onFamily, def: 7200, min: 1, max: anyInt, down: needed},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_KEEPINTVL, on: onStream | onFamily, def: 1, min: 1, max: anyInt, down: needed},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_KEEPCNT, on: onStream | onFamily, def: 10, min: 1, max: 255, down: needed},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_MAXSEG, on: onStream | onFamily, only: getOnly, down: measured},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_FASTOPEN, on: onStream | onFamily, boolean: true},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_FAIL_CONNECT_ON_ICMP_ERROR, on: onStream | onFamily, boolean: true, down: needed},
	{level: wsa.IPPROTO_TCP, name: wsa.TCP_ICMP_ERROR_INFO, on: onStream | onFamily, only: getOnly, size: provider.ICMPErrorInfoSize, fields: connectICMP},

	{level: wsa.IPPROTO_IP, name: wsa.IP_HDRINCL, on: onRaw | onIPv4, misfit: wsa.EINVAL, boolean: true, down: needed},
	{level: wsa.IPPROTO_IP, name: wsa.IP_TOS, on: onAll, max: 255, down: told},
	{level: wsa.IPPROTO_IP, name: wsa.IP_TTL, on: onAll, def: 128, max: 255, min: 1, down: needed, enforce: true},
	{level: wsa.IPPROTO_IP, name: wsa.IP_DONTFRAGMENT, on: onMessage | onFamily, boolean: true, down: needed},
	{level: wsa.IPPROTO_IP, name: wsa.IP_PKTINFO, on: onMessage | onFamily, boolean: true, down: told},
	{level: wsa.IPPROTO_IP, name: wsa.IP_RECVTTL, on: onMessage | onFamily, boolean: true, down: told},
	{level: wsa.IPPROTO_IP, name: wsa.IP_RECVTOS, on: onMessage | onFamily, boolean: true, down: told},

	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_HDRINCL, on: onRaw | onIPv6, misfit: wsa.EINVAL, boolean: true, down: needed},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_TCLASS, on: onType | onIPv6, max: 255, down: told},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_UNICAST_HOPS, on: onType | onIPv6, def: 128, min: 1, max: 255, down: needed, enforce: true},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_DONTFRAG, on: onMessage | onIPv6, boolean: true, down: needed},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_PKTINFO, on: onMessage | onIPv6, boolean: true, down: told},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_HOPLIMIT, on: onMessage | onIPv6, boolean: true, down: told},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_RECVTCLASS, on: onMessage | onIPv6, boolean: true, down: told},
	{level: wsa.IPPROTO_IPV6, name: wsa.IPV6_V6ONLY, on: onType | onIPv6, def: 1, boolean: true, down: needed, enforce: true, early: true},
}

// room is how many bytes the value takes.
func (o *option) room() int { return max(o.size, 4) }

type optionKey struct{ level, name int32 }

func index(tables ...[]option) map[optionKey]*option {
	m := make(map[optionKey]*option)
	for _, rows := range tables {
		for i := range rows {
			m[optionKey{rows[i].level, rows[i].name}] = &rows[i]
		}
	}
	return m
}

// getSockOpt is WSPGetSockOpt: EINVAL for a level that does not exist (it must be
// exact, 12.6), ENOPROTOOPT for an option that is unknown or not of this kind of
// socket, EFAULT and the size needed for a short buffer.
func getSockOpt(s *provider.Socket, level, name int32, out []byte) (int, wsa.Errno) {
	k, e := reader(s)
	if e != 0 {
		return 0, e
	}
	defer k.mu.RUnlock()
	o, e := k.find(level, name)
	switch {
	case e != 0:
		return 0, e
	case o.only == setOnly:
		return 0, wsa.ENOPROTOOPT
	case o.fetch != nil:
		return o.fetch(k, o, out)
	case len(out) < o.room():
		return o.room(), wsa.EFAULT
	case o.fields != nil:
		return o.size, o.fields(k, out[:o.size])
	}
	v, e := k.get(o)
	if e != 0 {
		return 0, e
	}
	binary.LittleEndian.PutUint32(out, uint32(int32(v)))
	return 4, 0
}

// setSockOpt is WSPSetSockOpt: as getSockOpt, and EINVAL for a value out of range
// or an option that comes too late.
func setSockOpt(s *provider.Socket, level, name int32, in []byte) wsa.Errno {
	k, e := writer(s)
	if e != 0 {
		return e
	}
	defer k.mu.Unlock()
	o, e := k.find(level, name)
	switch {
	case e != 0:
		return e
	case o.only == getOnly:
		return wsa.ENOPROTOOPT
	case o.put != nil:
		return o.put(k, o, in)
	case len(in) < 4:
		return wsa.EFAULT
	}
	return k.set(o, int(int32(binary.LittleEndian.Uint32(in))))
}

// find is the row of an option that exists on this socket.
func (k *socket) find(level, name int32) (*option, wsa.Errno) {
	switch level {
	case wsa.SOL_SOCKET, wsa.IPPROTO_TCP, wsa.IPPROTO_UDP, wsa.IPPROTO_IP, wsa.IPPROTO_IPV6:
	default:
		return nil, wsa.EINVAL
	}
	o := k.option(level, name)
	switch {
	case o == nil, level == wsa.IPPROTO_UDP && k.protocol != wsa.IPPROTO_UDP:
		return nil, wsa.ENOPROTOOPT
	case o.on&k.kind() != k.kind():
		if o.misfit != 0 {
			return nil, o.misfit
		}
		return nil, wsa.ENOPROTOOPT
	case o.only == refusal:
		return nil, wsa.EINVAL
	case level == wsa.IPPROTO_IP && k.row.Family == wsa.AF_INET6 && k.value(wsa.IPPROTO_IPV6, wsa.IPV6_V6ONLY) != 0:
		return nil, wsa.EINVAL // IPv4 is off on this socket (9.3)
	}
	return o, 0
}

func (k *socket) kind() kinds {
	v := onStream
	switch k.row.Type {
	case wsa.SOCK_DGRAM:
		v = onDatagram
	case wsa.SOCK_RAW:
		v = onRaw
	}
	if k.row.Family == wsa.AF_INET6 {
		return v | onIPv6
	}
	return v | onIPv4
}

func (k *socket) get(o *option) (int, wsa.Errno) {
	switch {
	case o.read != nil:
		return o.read(k)
	case o.down == measured:
		return k.link.Option(o.level, o.name)
	}
	return k.valueOf(o), 0
}

func (k *socket) set(o *option, v int) wsa.Errno {
	if o.boolean && v != 0 {
		v = 1
	}
	switch {
	case (o.min != 0 || o.max != 0) && (v < o.min || v > o.max):
		return wsa.EINVAL
	case o.early && k.bound:
		return wsa.EINVAL
	}
	if o.write != nil {
		if e := o.write(k, v); e != 0 || o.only == setSelf || o.only == setOnly {
			return e
		}
	}
	if e := push(k.link, o, v); e != 0 {
		return e
	}
	k.keep(o, v)
	return 0
}

// push hands a value to the network.
func push(l *link, o *option, v int) wsa.Errno {
	if o.down != told && o.down != needed {
		return 0
	}
	e := l.SetOption(o.level, o.name, v)
	if e == wsa.ENOPROTOOPT && o.down == told {
		return 0
	}
	return e
}

// optionValue is one entry of a socket's journal: what was set, exactly, from
// which it reads back, and which is replayed on an accepted endpoint and on one
// that replaces a spent one.
type optionValue struct {
	option *option
	value  int
}

func (k *socket) keep(o *option, v int) {
	k.forget(o)
	k.values = append(k.values, optionValue{o, v})
}

func (k *socket) forget(o *option) {
	k.values = slices.DeleteFunc(k.values, func(v optionValue) bool { return v.option == o })
}

func (k *socket) valueOf(o *option) int {
	if v, set := k.lookup(o); set {
		return v
	}
	return o.def
}

func (k *socket) lookup(o *option) (v int, set bool) {
	for i := range k.values {
		if k.values[i].option == o {
			return k.values[i].value, true
		}
	}
	return 0, false
}

// value is what an option stands at.
func (k *socket) value(level, name int32) int {
	return k.valueOf(k.option(level, name))
}

// option is the row of an option, nil if there is none.
func (k *socket) option(level, name int32) *option { return k.in.options[optionKey{level, name}] }

// prepare brings a new endpoint to the socket's options: first what Windows has
// other defaults for, then the journal. What an endpoint refuses now it accepted
// before, or it is an accepted connection's early option; neither ends the socket.
func (k *socket) prepare(l *link, accepted bool) {
	for i := range options {
		o := &options[i]
		if !o.enforce || accepted && o.early || o.on&k.kind() != k.kind() || o.level == wsa.IPPROTO_IP && k.row.Family == wsa.AF_INET6 {
			continue
		}
		if _, set := k.lookup(o); !set {
			push(l, o, o.def)
		}
	}
	for _, v := range k.values {
		if !(accepted && v.option.early) {
			push(l, v.option, v.value)
		}
	}
}

//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"syscall"
	"time"
)

// errUnsupported is what everything returns here.
var errUnsupported = fmt.Errorf("tun: TUN devices on %s: %w: Linux is needed", runtime.GOOS, errors.ErrUnsupported)

// Device is an open TUN or TAP. There is none on this system.
type Device struct{}

// Open returns an error wrapping errors.ErrUnsupported.
func Open(cfg Config) (*Device, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return nil, errUnsupported
}

// Adopt returns an error wrapping errors.ErrUnsupported.
func Adopt(fds []int, cfg Config) (*Device, error) { return Open(cfg) }

func (d *Device) Name() string                                  { return "" }
func (d *Device) Queues() int                                   { return 0 }
func (d *Device) MTU() int                                      { return 0 }
func (d *Device) HeaderLen() int                                { return 0 }
func (d *Device) Offloads() uint32                              { return 0 }
func (d *Device) TAP() bool                                     { return false }
func (d *Device) State() (State, <-chan struct{})               { return State{Err: errUnsupported}, nil }
func (d *Device) Link() (*Link, error)                          { return nil, errUnsupported }
func (d *Device) SyscallConn(q int) syscall.RawConn             { return nil }
func (d *Device) ReadWriter(q int) io.ReadWriter                { return nil }
func (d *Device) ReadPacket(q int, bufs [][]byte) (int, error)  { return 0, errUnsupported }
func (d *Device) OnIdle(q int, idle func())                     {}
func (d *Device) WritePacket(q int, bufs [][]byte) (int, error) { return 0, errUnsupported }
func (d *Device) WaitWritable(q int, deadline time.Time) error  { return errUnsupported }
func (d *Device) SetPersist(on bool) error                      { return errUnsupported }
func (d *Device) Close() error                                  { return nil }

// Link configures one interface. There is none on this system.
type Link struct{}

// OpenLink returns an error wrapping errors.ErrUnsupported.
func OpenLink(netns, name string) (*Link, error) { return nil, errUnsupported }

func (l *Link) Name() string                 { return "" }
func (l *Link) Index() int                   { return 0 }
func (l *Link) SetUp() error                 { return errUnsupported }
func (l *Link) SetDown() error               { return errUnsupported }
func (l *Link) SetMTU(mtu int) error         { return errUnsupported }
func (l *Link) SetTxQueueLen(n int) error    { return errUnsupported }
func (l *Link) AddAddr(a netip.Prefix) error { return errUnsupported }
func (l *Link) AddRoute(r Route) error       { return errUnsupported }
func (l *Link) Close() error                 { return nil }

// InNetns returns an error wrapping errors.ErrUnsupported.
func InNetns(path string, f func() error) error { return errUnsupported }

// NamespaceAt returns an error wrapping errors.ErrUnsupported.
func NamespaceAt(path string) (Namespace, error) { return Namespace{}, errUnsupported }

// NamespaceOf returns an error wrapping errors.ErrUnsupported.
func NamespaceOf(fd int) (Namespace, error) { return Namespace{}, errUnsupported }

// NetnsWatch notices the end of a namespace. There are none on this system.
type NetnsWatch struct{}

// WatchNetns returns an error wrapping errors.ErrUnsupported.
func WatchNetns(path string) (*NetnsWatch, error) { return nil, errUnsupported }

func (w *NetnsWatch) Gone() <-chan struct{} { return nil }
func (w *NetnsWatch) Close() error          { return nil }

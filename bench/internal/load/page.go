//go:build linux

package load

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Page is what servers count, in memory shared with the client.
type Page struct {
	Bytes     slot // received by sinks
	Open      slot // connections being served
	Datagrams slot // received by the UDP sink
	Flooded   slot // datagrams sent by the UDP source

	serial slot               // of the last connection at a sink
	flows  [1 << 14]flowCount // of connections at sinks, by serial, round and round
}

// A flowCount is what a sink has received on one connection.
type flowCount struct {
	serial, bytes atomic.Int64
	_             [48]byte
}

// flow gives a new connection at a sink its place.
func (p *Page) flow() *flowCount {
	n := p.serial.Add(1)
	f := &p.flows[n%int64(len(p.flows))]
	f.bytes.Store(0)
	f.serial.Store(n)
	return f
}

// received is what came in on the connections that sinks took after the one of
// that serial, in the order of their serials.
func (p *Page) received(after int64) []int64 {
	last := p.serial.Load()
	all := make([]int64, 0, last-after)
	for n := after + 1; n <= last; n++ {
		if f := &p.flows[n%int64(len(p.flows))]; f.serial.Load() == n {
			all = append(all, f.bytes.Load())
		}
	}
	return all
}

// A slot is a counter with a cache line of its own.
type slot struct {
	atomic.Int64
	_ [56]byte
}

// OpenPage maps the page in the file at path, which is made if it is not there.
// It stays mapped as long as the process.
func OpenPage(path string) (*Page, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer f.Close()
	const size = int(unsafe.Sizeof(Page{}))
	if err := f.Truncate(int64(size)); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("bench: map %s: %w", path, err)
	}
	return (*Page)(unsafe.Pointer(&b[0])), nil
}

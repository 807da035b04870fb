package tun

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Driver names how a device is opened.
const (
	// DriverVNET is the own driver: IFF_VNET_HDR, so that 64 KiB segments and unfinished checksums cross the border.
	DriverVNET = "vnet"
	// DriverWater opens by github.com/songgao/water: no header, one MTU per packet. It is the baseline that bench
	// measures against (perf.md, section B, water-1500).
	DriverWater = "water"
)

// Bits of Device.Offloads, from linux/if_tun.h.
const (
	OffloadCsum uint32 = 0x01 // TUN_F_CSUM: packets read may carry unfinished checksums
	OffloadTSO4 uint32 = 0x02 // TUN_F_TSO4: packets read may be TCP over IPv4 segments longer than the MTU
	OffloadTSO6 uint32 = 0x04 // TUN_F_TSO6: the same over IPv6
	OffloadUSO4 uint32 = 0x20 // TUN_F_USO4: packets read may be trains of UDP over IPv4 datagrams (GSO_UDP_L4); Linux 6.2
	OffloadUSO6 uint32 = 0x40 // TUN_F_USO6: the same over IPv6; a kernel grants both or none
)

const (
	headerLen  = 10   // sizeof(struct virtio_net_hdr), without num_buffers
	maxBufs    = 32   // longest bufs that ReadPacket and WritePacket take
	maxQueues  = 256  // MAX_TAP_QUEUES
	defaultMTU = 1500 // what the kernel gives a new TUN

	defaultTxQueueLen = 10000 // see Config.TxQueueLen
)

// Config describes a device. The zero value opens a new TUN with a name of the kernel's choice in the caller's namespace,
// with one queue and every offload.
type Config struct {
	// Name of the interface, at most 15 bytes; "%d" in it is replaced by the first free number. Default: "tun%d" or
	// "tap%d". An existing persistent device of that name is attached to. Adopt ignores it.
	Name string
	// Netns is the path of the network namespace: /run/netns/NAME, /proc/PID/ns/net, a bind mount. Default: the namespace
	// of the calling thread. Given to Adopt it is only watched (State.NetnsGone), never entered.
	Netns string
	// TAP asks for Ethernet frames. Adopt ignores it.
	TAP bool
	// Driver is "", DriverVNET or DriverWater. Adopt ignores it.
	Driver string
	// Queues is the number of queues, 1 to 256. Default 1, which is best on two CPUs. More than one makes an IFF_MULTI_QUEUE device; an existing
	// device must have been made the same way. Adopt has as many as descriptors.
	Queues int
	// Persist keeps the device, its addresses and its routes when the last descriptor is closed. Adopt ignores it.
	// False leaves an existing device as it is with the own driver, and clears its persistence with water, as water does.
	// SetPersist changes it later.
	Persist bool
	// MTU in bytes. Open sets it if it is not 0. Adopt cannot set it and takes it as what the opener has set, until
	// netlink says otherwise; default there 1500.
	MTU int
	// TxQueueLen bounds, in packets a queue, what waits in the device for ReadPacket; beyond it the kernel drops. Default: the
	// own driver raises it to 10000 where it is lower and may be set, water leaves it. Adopt ignores it.
	//
	// The kernel's 500 is too little. A kernel client with 1000 saturated connections at MTU 1500, 2 cores, beside other load
	// (go test -bench Saturated ./stack); stalled are those of which nothing arrived in two seconds:
	//
	//	                  up                    down
	//	length   dropped  stalled     dropped  stalled
	//	   500     20879        0       13338        6
	//	  1000     19639       11       16011        0
	//	  4000         0        0        3064        0
	//	 10000         0        0           0        0
	//
	// A longer queue costs nothing while it is empty, 8 bytes a slot. What it may cost is time: 10000 datagrams of a sender
	// that knows no bounds are 80 ms of waiting for whoever sends behind them.
	TxQueueLen int
	// NoOffload asks for plain packets: no virtio_net_hdr, no segmentation, checksums finished. An adopted device that
	// has the header keeps it.
	NoOffload bool
	// Follow is by what an adopted device is followed where this process may not enter its namespace: what Subscribe has
	// opened there, and the index of the link. Default: the namespace is entered, or the data path has to tell. Adopt takes
	// the descriptor over, also on an error, and does not enter then; Open ignores it. A device that is moved to another
	// namespace is followed by its data path from then on.
	Follow *Following
}

// Following is a socket of Subscribe, and the index of the link that is to be followed.
type Following struct{ FD, Index int }

// Validate reports the first field that no device could be opened with. Errors wrap os.ErrInvalid.
func (c Config) Validate() error {
	switch {
	case len(c.Name) > 15:
		return fmt.Errorf("tun: name %q is longer than 15 bytes: %w", c.Name, os.ErrInvalid)
	case c.Queues < 0 || c.Queues > maxQueues:
		return fmt.Errorf("tun: %d queues: a device has 1 to %d: %w", c.Queues, maxQueues, os.ErrInvalid)
	case c.MTU != 0 && (c.MTU < 68 || c.MTU > 65535):
		return fmt.Errorf("tun: MTU %d: a device takes 68 to 65535: %w", c.MTU, os.ErrInvalid)
	case c.TxQueueLen < 0:
		return fmt.Errorf("tun: transmit queue of %d packets: %w", c.TxQueueLen, os.ErrInvalid)
	case c.Driver != "" && c.Driver != DriverVNET && c.Driver != DriverWater:
		return fmt.Errorf("tun: driver %q: there are %q and %q: %w", c.Driver, DriverVNET, DriverWater, os.ErrInvalid)
	}
	return nil
}

// State is what is known of a device. States are compared with ==.
type State struct {
	// Up: the interface is administratively up (IFF_UP), so writes succeed.
	Up bool
	// Downs counts how often the link has gone, or may have gone, from up to down since Open or Adopt. With the link the kernel drops IPv6
	// addresses and the routes through it; who set them puts them back when this has grown.
	Downs uint64
	// MTU of the link in bytes.
	MTU int
	// NetnsGone: the path Config.Netns no longer names the namespace of the device (deleted, moved, process ended). The
	// device itself goes on.
	NetnsGone bool
	// Err is nil while the device lives, then ErrGone or ErrClosed for ever.
	Err error
}

var (
	// ErrGone is State.Err of a device that was deleted. The data path says EBADFD.
	ErrGone = errors.New("tun: the device was deleted")
	// ErrClosed is what a closed Device returns. errors.Is finds net.ErrClosed and os.ErrClosed in it.
	ErrClosed error = closedError{}
	// ErrNoNetlink is wrapped when an adopted device is asked for what only netlink in its namespace can do.
	ErrNoNetlink = errors.New("no netlink in the namespace of the device")
)

type closedError struct{}

func (closedError) Error() string { return "tun: device closed" }
func (closedError) Is(target error) bool {
	return target == net.ErrClosed || target == os.ErrClosed
}

// Namespace identifies a network namespace: two are the same if they are ==.
type Namespace struct{ Dev, Ino uint64 }

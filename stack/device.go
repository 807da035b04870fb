package stack

import "time"

// Device is what a NIC stands on: packets in and out of a kernel, or of a
// test. *tun.Device and the pipes of tuntest satisfy it.
//
// A packet is laid out as [virtio_net_hdr, HeaderLen bytes][Ethernet header,
// only if TAP][IP packet] and scattered over bufs in order.
type Device interface {
	// Queues is the number of independent queues, at least 1.
	Queues() int
	// MTU is the largest IP packet that the link carries unsegmented. It may
	// change, and is asked for often.
	MTU() int
	// HeaderLen is 10 when packets carry a virtio_net_hdr, else 0.
	HeaderLen() int
	// Offloads are the TUN_F_* bits that the other side may use towards us.
	// With HeaderLen 10 and both OffloadTSO4 and OffloadTSO6 we too send
	// segments of up to 64 KiB, and with both OffloadUSO4 and OffloadUSO6 trains of
	// datagrams.
	Offloads() uint32
	// TAP says that packets carry an Ethernet header.
	TAP() bool
	// ReadPacket blocks until a packet is there, scatters it over bufs and
	// returns its length. One caller per queue.
	ReadPacket(q int, bufs [][]byte) (int, error)
	// WritePacket writes one packet gathered from at most 32 bufs and never
	// blocks.
	// EAGAIN, ENOBUFS, ENOMEM (full) and EIO, ENETDOWN (down) are passing
	// states; EBADFD, EBADF, ENODEV, ENXIO and os.ErrClosed mean that the
	// device is gone. Safe for concurrent use; bufs are not kept.
	WritePacket(q int, bufs [][]byte) (int, error)
	// WaitWritable blocks until WritePacket may succeed, or the deadline.
	WaitWritable(q int, deadline time.Time) error
	// Close ends every blocked call above.
	Close() error
}

// Offload bits of Device.Offloads: TUN_F_* of linux/if_tun.h.
const (
	OffloadCSUM = 0x01 // packets may come with a partial checksum (NEEDS_CSUM)
	OffloadTSO4 = 0x02 // TCP/IPv4 super-segments
	OffloadTSO6 = 0x04 // TCP/IPv6 super-segments
	OffloadUSO4 = 0x20 // trains of UDP/IPv4 datagrams (VIRTIO_NET_HDR_GSO_UDP_L4)
	OffloadUSO6 = 0x40 // trains of UDP/IPv6 datagrams
)

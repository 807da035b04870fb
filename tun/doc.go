// Package tun moves packets between this process and a kernel: TUN and TAP devices, opened by name in any network
// namespace or adopted from a descriptor that another process passed.
//
// It is for the data plane, which wants one system call per 64 KiB segment, and for the small privileged opener, which
// wants to create a device, give it addresses and routes, and hand its descriptor on. It is not a packet library: what is
// read and written here is bytes, and the virtio_net_hdr in front of them is taken apart by package stack.
//
// # The data path
//
// ReadPacket and WritePacket move one packet per call, scattered over the caller's buffers, without allocating. A device
// opened by the own driver (the default) asks the kernel for IFF_VNET_HDR: each packet is then preceded by HeaderLen() = 10
// bytes of struct virtio_net_hdr, little-endian, and may be a TCP segment of up to 64 KiB with an unfinished checksum
// (Offloads says which kinds). Without the header (Config.NoOffload, driver water, or a kernel that refuses) HeaderLen is
// 0 and every packet is at most one MTU long and finished.
//
// Buffers belong to the caller and are not kept after a call.
//
// OnIdle tells the goroutine that reads a queue when it is about to wait: whoever gathers something to do it at once does
// it then.
//
// # Goroutines
//
// One goroutine at a time reads a queue; a second one gets EBUSY. Everything else may be called from any goroutine at any
// time. The package starts goroutines only to follow the device and its namespace; Close ends and awaits them.
//
// # When something happens to the device
//
// State returns the present state and a channel that is closed at the next change, so that nobody polls, any number of
// goroutines may follow, and nothing queues up. Downs counts how often the link went down, so a flap that came and went
// between two looks is seen too. What the data path says meanwhile:
//
//	the link is down       WritePacket EIO, ReadPacket stays parked, WaitWritable parks until it is up
//	the device is deleted  everything EBADFD; State.Err is ErrGone
//	the namespace is gone  nothing: an open TUN keeps its namespace alive, unreachable, for ever. State.NetnsGone says so,
//	                       and the owner decides; processes in there may still be running
//	Close                  everything ErrClosed (also net.ErrClosed and os.ErrClosed)
//
// A device made by Open is followed by netlink in its own namespace, so is an adopted one where privilege suffices. An
// adopter without privilege (CAP_NET_ADMIN over the namespace) learns the same from the descriptor alone: down from the
// first EIO, up from poll, deletion from the parked reader; the MTU is then what Config.MTU says and Link is refused. With a
// socket that somebody with privilege has opened for it there (Subscribe, Config.Follow) it hears all that Open would.
//
// # Privilege
//
// Open needs CAP_NET_ADMIN over the namespace and permission on /dev/net/tun; a namespace given by path needs
// CAP_SYS_ADMIN as well, to enter it. Adopt needs nothing.
//
// Linux only; elsewhere everything returns an error wrapping errors.ErrUnsupported.
package tun

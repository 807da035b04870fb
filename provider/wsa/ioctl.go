package wsa

// Codes of WSPIoctl.
const (
	FIONBIO                            uint32 = 0x8004667E
	FIONREAD                           uint32 = 0x4004667F
	SIOCATMARK                         uint32 = 0x40047307
	SIO_ENABLE_CIRCULAR_QUEUEING       uint32 = 0x28000002
	SIO_FLUSH                          uint32 = 0x28000004
	SIO_GET_BROADCAST_ADDRESS          uint32 = 0x48000005
	SIO_GET_EXTENSION_FUNCTION_POINTER uint32 = 0xC8000006
	SIO_MULTIPOINT_LOOPBACK            uint32 = 0x88000009
	SIO_MULTICAST_SCOPE                uint32 = 0x8800000A
	SIO_ROUTING_INTERFACE_QUERY        uint32 = 0xC8000014
	SIO_ADDRESS_LIST_QUERY             uint32 = 0x48000016
	SIO_BSP_HANDLE                     uint32 = 0x4800001B
	SIO_BSP_HANDLE_SELECT              uint32 = 0x4800001C
	SIO_BSP_HANDLE_POLL                uint32 = 0x4800001D
	SIO_BASE_HANDLE                    uint32 = 0x48000022
	SIO_KEEPALIVE_VALS                 uint32 = 0x98000004
	SIO_UDP_CONNRESET                  uint32 = 0x9800000C
	// SIO_REUSE_SOCKET is not in the SDK: it makes a stream socket that has ended
	// like new, bound as it was (TF_REUSE_SOCKET of DisconnectEx).
	SIO_REUSE_SOCKET uint32 = 0x9800F001

	SIO_UDP_NETRESET uint32 = 0x9800000F
)

package wsa

// Events is a set of network events (FD_*).
type Events uint32

// Network events.
const (
	FD_READ                     Events = 0x01
	FD_WRITE                    Events = 0x02
	FD_OOB                      Events = 0x04
	FD_ACCEPT                   Events = 0x08
	FD_CONNECT                  Events = 0x10
	FD_CLOSE                    Events = 0x20
	FD_QOS                      Events = 0x40
	FD_GROUP_QOS                Events = 0x80
	FD_ROUTING_INTERFACE_CHANGE Events = 0x100
	FD_ADDRESS_LIST_CHANGE      Events = 0x200
	FD_ALL_EVENTS               Events = 0x3ff
)

// Two events that are not in the SDK; they never reach an application.
const (
	// EvDrained: all that was sent is acknowledged, a FIN included. A lingering
	// close and DisconnectEx wait for it.
	EvDrained Events = 1 << 16
	// EvError: a soft error (ICMP for a datagram socket) waits for the next receive.
	EvError Events = 1 << 17
)

// MsgFlags are the flags of a data operation (MSG_*).
type MsgFlags uint32

// Flags of WSPSend, WSPRecv and theirs.
const (
	MSG_OOB       MsgFlags = 0x1
	MSG_PEEK      MsgFlags = 0x2
	MSG_DONTROUTE MsgFlags = 0x4
	MSG_WAITALL   MsgFlags = 0x8
	MSG_PARTIAL   MsgFlags = 0x8000
	MSG_TRUNC     MsgFlags = 0x100
	MSG_CTRUNC    MsgFlags = 0x200
	MSG_BCAST     MsgFlags = 0x400
	MSG_MCAST     MsgFlags = 0x800

	// MSG_PENDED is not in the SDK: the operation was accepted earlier and is
	// tried again, so it is judged by the state at issue and not counted twice.
	MSG_PENDED MsgFlags = 1 << 31
)

package wsa

import "strconv"

// FROM_PROTOCOL_INFO in WSPSocket's af, type or protocol takes that field from
// the WSAPROTOCOL_INFO given.
const FROM_PROTOCOL_INFO int32 = -1

// Address families (AF_*).
const (
	AF_UNSPEC int32 = 0
	AF_UNIX   int32 = 1
	AF_INET   int32 = 2
	AF_INET6  int32 = 23
)

// Socket types (SOCK_*).
const (
	SOCK_STREAM    int32 = 1
	SOCK_DGRAM     int32 = 2
	SOCK_RAW       int32 = 3
	SOCK_RDM       int32 = 4
	SOCK_SEQPACKET int32 = 5
)

// Protocols (IPPROTO_*). IPPROTO_IP and IPPROTO_IPV6 are option levels too.
const (
	IPPROTO_IP     int32 = 0
	IPPROTO_ICMP   int32 = 1
	IPPROTO_TCP    int32 = 6
	IPPROTO_UDP    int32 = 17
	IPPROTO_IPV6   int32 = 41
	IPPROTO_ICMPV6 int32 = 58
	IPPROTO_RAW    int32 = 255
)

// MAX_PROTOCOL_CHAIN is the number of ids in a WSAPROTOCOLCHAIN.
const MAX_PROTOCOL_CHAIN = 7

// Lengths of a protocol chain with a meaning of their own.
const (
	LAYERED_PROTOCOL = 0 // a layer's own entry
	BASE_PROTOCOL    = 1 // a base provider's entry
)

// Service flags (dwServiceFlags1).
const (
	XP1_CONNECTIONLESS           uint32 = 0x00000001
	XP1_GUARANTEED_DELIVERY      uint32 = 0x00000002
	XP1_GUARANTEED_ORDER         uint32 = 0x00000004
	XP1_MESSAGE_ORIENTED         uint32 = 0x00000008
	XP1_PSEUDO_STREAM            uint32 = 0x00000010
	XP1_GRACEFUL_CLOSE           uint32 = 0x00000020
	XP1_EXPEDITED_DATA           uint32 = 0x00000040
	XP1_CONNECT_DATA             uint32 = 0x00000080
	XP1_DISCONNECT_DATA          uint32 = 0x00000100
	XP1_SUPPORT_BROADCAST        uint32 = 0x00000200
	XP1_SUPPORT_MULTIPOINT       uint32 = 0x00000400
	XP1_MULTIPOINT_CONTROL_PLANE uint32 = 0x00000800
	XP1_MULTIPOINT_DATA_PLANE    uint32 = 0x00001000
	XP1_QOS_SUPPORTED            uint32 = 0x00002000
	XP1_INTERRUPT                uint32 = 0x00004000
	XP1_UNI_SEND                 uint32 = 0x00008000
	XP1_UNI_RECV                 uint32 = 0x00010000
	XP1_IFS_HANDLES              uint32 = 0x00020000
	XP1_PARTIAL_MESSAGE          uint32 = 0x00040000
	XP1_SAN_SUPPORT_SDP          uint32 = 0x00080000
)

// Provider flags (dwProviderFlags).
const (
	PFL_MULTIPLE_PROTO_ENTRIES  uint32 = 0x1
	PFL_RECOMMENDED_PROTO_ENTRY uint32 = 0x2
	PFL_HIDDEN                  uint32 = 0x4
	PFL_MATCHES_PROTOCOL_ZERO   uint32 = 0x8
	PFL_NETWORKDIRECT_PROVIDER  uint32 = 0x10
)

// Categories of a layer (ws2spi.h): what it does, and which of these a program permits.
const (
	LSP_INSPECTOR       uint32 = 0x00000001 // looks at data, does not alter it
	LSP_REDIRECTOR      uint32 = 0x00000002 // network redirector
	LSP_PROXY           uint32 = 0x00000004 // connects elsewhere
	LSP_FIREWALL        uint32 = 0x00000008
	LSP_INBOUND_MODIFY  uint32 = 0x00000010
	LSP_OUTBOUND_MODIFY uint32 = 0x00000020
	LSP_CRYPTO_COMPRESS uint32 = 0x00000040
	LSP_LOCAL_CACHE     uint32 = 0x00000080
	LSP_SYSTEM          uint32 = 0x80000000 // fit for system programs
)

// What WSCGetProviderInfo and WSCSetProviderInfo are about (WSC_PROVIDER_INFO_TYPE).
const (
	ProviderInfoLspCategories int32 = 0 // a DWORD of LSP_*
	ProviderInfoAudit         int32 = 1 // not implemented, on Windows neither
)

// Flags of WSPSocket (dwFlags).
const (
	WSA_FLAG_OVERLAPPED             uint32 = 0x01
	WSA_FLAG_MULTIPOINT_C_ROOT      uint32 = 0x02
	WSA_FLAG_MULTIPOINT_C_LEAF      uint32 = 0x04
	WSA_FLAG_MULTIPOINT_D_ROOT      uint32 = 0x08
	WSA_FLAG_MULTIPOINT_D_LEAF      uint32 = 0x10
	WSA_FLAG_ACCESS_SYSTEM_SECURITY uint32 = 0x40
	WSA_FLAG_NO_HANDLE_INHERIT      uint32 = 0x80
	WSA_FLAG_REGISTERED_IO          uint32 = 0x100
)

// Directions of WSPJoinLeaf (dwFlags): exactly one.
const (
	JL_SENDER_ONLY   uint32 = 0x01
	JL_RECEIVER_ONLY uint32 = 0x02
	JL_BOTH          uint32 = 0x04
)

// Directions of WSPShutdown (how).
const (
	SD_RECEIVE = 0
	SD_SEND    = 1
	SD_BOTH    = 2
)

// SOMAXCONN asks WSPListen for the provider's maximum.
const SOMAXCONN = 0x7fffffff

var typeNames = map[int32]string{SOCK_STREAM: "stream", SOCK_DGRAM: "dgram", SOCK_RAW: "raw", SOCK_RDM: "rdm", SOCK_SEQPACKET: "seqpacket"}

var protocolNames = map[int32]string{IPPROTO_ICMP: "icmp", IPPROTO_TCP: "tcp", IPPROTO_UDP: "udp", IPPROTO_ICMPV6: "icmpv6", IPPROTO_RAW: "raw"}

// FamilyName is "inet", "inet6" or the number.
func FamilyName(af int32) string {
	switch af {
	case AF_INET:
		return "inet"
	case AF_INET6:
		return "inet6"
	case AF_UNSPEC:
		return "unspec"
	}
	return strconv.Itoa(int(af))
}

// TypeName is "stream", "dgram", "raw" … or the number.
func TypeName(t int32) string { return nameOf(typeNames, t) }

// ProtocolName is "tcp", "udp", "icmp" … or the number.
func ProtocolName(p int32) string { return nameOf(protocolNames, p) }

func nameOf(m map[int32]string, v int32) string {
	if s, ok := m[v]; ok {
		return s
	}
	return strconv.Itoa(int(v))
}

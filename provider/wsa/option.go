package wsa

// SOL_SOCKET is the level of the socket options proper.
const SOL_SOCKET int32 = 0xffff

// Options of level SOL_SOCKET (SO_*).
const (
	SO_DEBUG                  int32 = 0x0001
	SO_ACCEPTCONN             int32 = 0x0002
	SO_REUSEADDR              int32 = 0x0004
	SO_KEEPALIVE              int32 = 0x0008
	SO_DONTROUTE              int32 = 0x0010
	SO_BROADCAST              int32 = 0x0020
	SO_USELOOPBACK            int32 = 0x0040
	SO_LINGER                 int32 = 0x0080
	SO_OOBINLINE              int32 = 0x0100
	SO_DONTLINGER             int32 = ^SO_LINGER
	SO_EXCLUSIVEADDRUSE       int32 = ^SO_REUSEADDR
	SO_SNDBUF                 int32 = 0x1001
	SO_RCVBUF                 int32 = 0x1002
	SO_SNDLOWAT               int32 = 0x1003
	SO_RCVLOWAT               int32 = 0x1004
	SO_SNDTIMEO               int32 = 0x1005
	SO_RCVTIMEO               int32 = 0x1006
	SO_ERROR                  int32 = 0x1007
	SO_TYPE                   int32 = 0x1008
	SO_BSP_STATE              int32 = 0x1009
	SO_GROUP_ID               int32 = 0x2001
	SO_GROUP_PRIORITY         int32 = 0x2002
	SO_MAX_MSG_SIZE           int32 = 0x2003
	SO_PROTOCOL_INFOA         int32 = 0x2004
	SO_PROTOCOL_INFOW         int32 = 0x2005
	SO_CONDITIONAL_ACCEPT     int32 = 0x3002
	SO_PAUSE_ACCEPT           int32 = 0x3003
	SO_RANDOMIZE_PORT         int32 = 0x3005
	SO_PORT_SCALABILITY       int32 = 0x3006
	SO_REUSE_UNICASTPORT      int32 = 0x3007
	SO_REUSE_MULTICASTPORT    int32 = 0x3008
	SO_UPDATE_ACCEPT_CONTEXT  int32 = 0x700B
	SO_CONNECT_TIME           int32 = 0x700C
	SO_UPDATE_CONNECT_CONTEXT int32 = 0x7010
)

// Options of level IPPROTO_TCP.
const (
	TCP_NODELAY    int32 = 1
	TCP_EXPEDITED  int32 = 2
	TCP_KEEPIDLE   int32 = 3 // also TCP_KEEPALIVE; seconds
	TCP_MAXSEG     int32 = 4
	TCP_MAXRT      int32 = 5
	TCP_CONGESTION int32 = 12 // TCP_CONGESTION_ALGORITHM
	TCP_MAXRTMS    int32 = 14
	TCP_FASTOPEN   int32 = 15
	TCP_KEEPCNT    int32 = 16
	TCP_KEEPINTVL  int32 = 17 // seconds

	TCP_FAIL_CONNECT_ON_ICMP_ERROR int32 = 18 // bool
	TCP_ICMP_ERROR_INFO            int32 = 19 // ICMP_ERROR_INFO, 36 bytes
)

// Options of levels IPPROTO_IP and IPPROTO_IPV6.
const (
	IP_HDRINCL         int32 = 2
	IP_TOS             int32 = 3
	IP_TTL             int32 = 4
	IP_MULTICAST_IF    int32 = 9
	IP_MULTICAST_TTL   int32 = 10
	IP_MULTICAST_LOOP  int32 = 11
	IP_ADD_MEMBERSHIP  int32 = 12
	IP_DROP_MEMBERSHIP int32 = 13
	IP_DONTFRAGMENT    int32 = 14

	IP_ADD_SOURCE_MEMBERSHIP  int32 = 15
	IP_DROP_SOURCE_MEMBERSHIP int32 = 16
	IP_BLOCK_SOURCE           int32 = 17
	IP_UNBLOCK_SOURCE         int32 = 18

	IP_PKTINFO      int32 = 19
	IP_RECVTTL      int32 = 21
	IP_RECVTOS      int32 = 40
	IP_MTU_DISCOVER int32 = 71
	IP_MTU          int32 = 73

	IPV6_HDRINCL         int32 = 2
	IPV6_UNICAST_HOPS    int32 = 4
	IPV6_MULTICAST_IF    int32 = 9
	IPV6_MULTICAST_HOPS  int32 = 10
	IPV6_MULTICAST_LOOP  int32 = 11
	IPV6_ADD_MEMBERSHIP  int32 = 12
	IPV6_DROP_MEMBERSHIP int32 = 13
	IPV6_JOIN_GROUP      int32 = 12 // RFC 3493's name
	IPV6_LEAVE_GROUP     int32 = 13
	IPV6_DONTFRAG        int32 = 14
	IPV6_PKTINFO         int32 = 19
	IPV6_HOPLIMIT        int32 = 21
	IPV6_V6ONLY          int32 = 27
	IPV6_TCLASS          int32 = 39
	IPV6_RECVTCLASS      int32 = 40
)

// Options of both levels, IPPROTO_IP and IPPROTO_IPV6, that name groups of either
// family (RFC 3678, 5.1).
const (
	MCAST_JOIN_GROUP         int32 = 41
	MCAST_LEAVE_GROUP        int32 = 42
	MCAST_BLOCK_SOURCE       int32 = 43
	MCAST_UNBLOCK_SOURCE     int32 = 44
	MCAST_JOIN_SOURCE_GROUP  int32 = 45
	MCAST_LEAVE_SOURCE_GROUP int32 = 46
)

package wsa

// Options of level SOL_SOCKET that only Windows gives an effect, or that belong to
// the classic interface.
const (
	SO_CONNDATA       int32 = 0x7000
	SO_CONNOPT        int32 = 0x7001
	SO_DISCDATA       int32 = 0x7002
	SO_DISCOPT        int32 = 0x7003
	SO_CONNDATALEN    int32 = 0x7004
	SO_CONNOPTLEN     int32 = 0x7005
	SO_DISCDATALEN    int32 = 0x7006
	SO_DISCOPTLEN     int32 = 0x7007
	SO_OPENTYPE       int32 = 0x7008
	SO_MAXDG          int32 = 0x7009
	SO_MAXPATHDG      int32 = 0x700A
	PVD_CONFIG        int32 = 0x3001
	SO_COMPARTMENT_ID int32 = 0x3004
)

// Further options of level IPPROTO_TCP.
const (
	TCP_EXPEDITED_1122     int32 = TCP_EXPEDITED
	TCP_STDURG             int32 = 6
	TCP_NOURG              int32 = 7
	TCP_ATMARK             int32 = 8
	TCP_NOSYNRETRIES       int32 = 9
	TCP_TIMESTAMPS         int32 = 10
	TCP_OFFLOAD_PREFERENCE int32 = 11
	TCP_DELAY_FIN_ACK      int32 = 13
	TCP_BSDURGENT          int32 = 0x7000
)

// Options of level IPPROTO_UDP.
const (
	UDP_NOCHECKSUM              int32 = 1
	UDP_SEND_MSG_SIZE           int32 = 2 // bytes of a segment
	UDP_RECV_MAX_COALESCED_SIZE int32 = 3 // bytes
	UDP_CHECKSUM_COVERAGE       int32 = 20
)

// Further options of levels IPPROTO_IP and IPPROTO_IPV6.
const (
	IP_OPTIONS              int32 = 1
	IP_RECEIVE_BROADCAST    int32 = 22
	IP_RECVIF               int32 = 24
	IP_RECVDSTADDR          int32 = 25
	IP_IFLIST               int32 = 28
	IP_ADD_IFLIST           int32 = 29
	IP_DEL_IFLIST           int32 = 30
	IP_UNICAST_IF           int32 = 31 // set: network byte order
	IP_GET_IFLIST           int32 = 33
	IP_ORIGINAL_ARRIVAL_IF  int32 = 47
	IP_ECN                  int32 = 50
	IP_WFP_REDIRECT_RECORDS int32 = 60
	IP_WFP_REDIRECT_CONTEXT int32 = 70
	IP_RECVERR              int32 = 75
	IP_USER_MTU             int32 = 76 // bytes

	IPV6_HOPOPTS              int32 = 1
	IPV6_PROTECTION_LEVEL     int32 = 23
	IPV6_RECVIF               int32 = 24
	IPV6_RECVDSTADDR          int32 = 25
	IPV6_CHECKSUM             int32 = 26
	IPV6_IFLIST               int32 = 28
	IPV6_ADD_IFLIST           int32 = 29
	IPV6_DEL_IFLIST           int32 = 30
	IPV6_UNICAST_IF           int32 = 31
	IPV6_GET_IFLIST           int32 = 33
	IPV6_ECN                  int32 = 50
	IPV6_WFP_REDIRECT_RECORDS int32 = 60
	IPV6_WFP_REDIRECT_CONTEXT int32 = 70
	IPV6_MTU_DISCOVER         int32 = 71
	IPV6_MTU                  int32 = 72 // not IP_MTU's number
	IPV6_RECVERR              int32 = 75
	IPV6_USER_MTU             int32 = 76
)

// Values of IPV6_PROTECTION_LEVEL.
const (
	PROTECTION_LEVEL_UNRESTRICTED   = 10
	PROTECTION_LEVEL_EDGERESTRICTED = 20
	PROTECTION_LEVEL_RESTRICTED     = 30
	PROTECTION_LEVEL_DEFAULT        = -1
)

// Values of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER (PMTUD_STATE).
const (
	IP_PMTUDISC_NOT_SET = 0
	IP_PMTUDISC_DO      = 1
	IP_PMTUDISC_DONT    = 2
	IP_PMTUDISC_PROBE   = 3
)

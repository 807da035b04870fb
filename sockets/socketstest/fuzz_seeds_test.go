package socketstest_test

// programs are those that are written by hand: each goes far in one direction, for
// chance to start from. The argument bytes are explained where the operation is.
var programs = []struct {
	name string
	code program
}{
	{"a connection, both ways, and its end", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1),
		on(opSend, 0, 0, 4, 3, 0), on(opSend, 1, 0, 7, 3, 0),
		on(opSelect, 1, 0, 7, 4, 0), on(opRecv, 1, 0, 3, 3, 0), on(opRecv, 1, 0, 7, 0, 0),
		on(opPoll, 0, 0, 3, 4, 0), on(opRecv, 0, 0, 8, 3, 0), on(opNames, 0, 0, 0, 0, 39), on(opNames, 0, 0, 1, 0, 39),
		on(opShutdown, 0, 0, 1, 0, 0), on(opSend, 0, 0, 3, 3, 0), on(opRecv, 1, 0, 4, 3, 0), on(opRecv, 1, 0, 4, 3, 0),
		on(opClose, 0, 0, 0, 0, 0), on(opSend, 0, 0, 3, 3, 0), on(opClose, 1, 0, 0, 0, 0),
	}}},
	{"more than there is room for, from one goroutine to the other", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opSend, 0, 0, 9, 3, 0), on(opSend, 0, 0, 9, 0, 0), on(opSend, 0, 0, 9, 3, 0), on(opSend, 0, 0, 9, 3, 0), on(opShutdown, 0, 0, 2, 0, 0),
		on(opRecv, 1, 0, 9, 3, 0).second(), on(opRecv, 1, 0, 9, 0x38, 0).second(), on(opRecv, 1, 0, 9, 3, 0).second(),
		on(opRecv, 1, 0, 9, 3, 0).second(), on(opRecv, 1, 0, 9, 3, 0).second(), on(opRecv, 1, 0, 9, 3, 0).second(), on(opRecv, 1, 0, 9, 3, 0).second(),
	}}},
	{"both goroutines send and receive on the same connection", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1), on(opBarrier, 0, 0, 0, 0, 0),
		on(opSend, 0, 0, 3, 3, 0), on(opSend, 0, 0, 2, 3, 0), on(opSend, 0, 0, 5, 3, 0), on(opRecv, 1, 0, 4, 3, 0), on(opRecv, 1, 0, 4, 3, 0), on(opRecv, 1, 0, 9, 3, 0),
		on(opSend, 0, 0, 4, 3, 0).second(), on(opSend, 0, 0, 1, 3, 0).second(), on(opSend, 0, 0, 7, 3, 0).second(), on(opRecv, 1, 0, 2, 3, 0).second(), on(opRecv, 1, 0, 7, 3, 0).second(),
		on(opBarrier, 0, 0, 0, 0, 0), on(opClose, 0, 0, 0, 0, 0), on(opRecv, 1, 0, 9, 3, 0), on(opRecv, 1, 0, 9, 3, 0), on(opRecv, 1, 0, 9, 3, 0),
	}}},
	{"overlapped operations with events and routines", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1),
		on(opRecvOverlapped, 1, 0, 3, 3, 1), on(opRecvOverlapped, 1, 0, 4, 0x38, 3), on(opRecvFromOverlapped, 1, 0, 3, 3, 0), on(opResult, 0, 0, 2, 3, 0),
		on(opSendOverlapped, 0, 0, 4, 3, 1), on(opSendOverlapped, 0, 0, 5, 3, 3), on(opSendToOverlapped, 0, 0, 2, 3, 0),
		on(opResult, 0, 0, 5, 0, 0), on(opSleep, 0, 0, 4, 0, 0), on(opRecv, 1, 0, 3, 3, 0), on(opSleep, 0, 0, 4, 0, 0), on(opCancelIo, 1, 0, 0, 1, 0),
		on(opTransmitFile, 0, 0, 7, 1, 3), on(opTransmitPackets, 0, 0, 5, 0x31, 9), on(opSend, 0, 0, 3, 3, 0), on(opRecv, 1, 0, 9, 3, 0), on(opRecv, 1, 0, 9, 3, 0),
	}}},
	{"AcceptEx with data, ConnectEx with data, DisconnectEx, and the sockets again", program{instructions: []instruction{
		on(opListener, 0, 1, 1, 0, 1), on(opSocket, 2, 0, 1, 0, 1), on(opSocket, 3, 0, 1, 0, 1),
		on(opAcceptEx, 0, 2, 2, 0, 1), on(opAcceptEx, 0, 3, 0, 0, 1), on(opConnectEx, 1, 0, 1|3<<2, 0, 1),
		on(opResult, 0, 0, 0, 0, 0), on(opResult, 0, 0, 2, 0, 0),
		on(opUpdateContext, 2, 0, 0, 0, 0), on(opUpdateContext, 1, 0, 1, 0, 0), on(opNames, 2, 0, 1, 0, 39),
		on(opRecv, 2, 0, 4, 3, 0), on(opSend, 2, 0, 4, 3, 0), on(opRecv, 1, 0, 3, 3, 0), on(opRecv, 1, 0, 9, 3, 0),
		on(opDisconnectEx, 1, 0, 3, 1, 1), on(opDisconnectEx, 2, 0, 3, 1, 1), on(opResult, 0, 0, 0, 0, 0), on(opResult, 0, 0, 1, 0, 0),
		on(opConnectEx, 1, 0, 0, 0, 1), on(opResult, 0, 0, 0, 0, 0), on(opResult, 0, 0, 4, 0, 0), on(opAcceptEx, 0, 2, 3, 0, 1), on(opClose, 0, 0, 0, 0, 0),
	}}},
	{"AcceptEx that loses its listener, its socket or its first data", program{instructions: []instruction{
		on(opListener, 0, 1, 1, 0, 1), on(opSocket, 2, 0, 1, 0, 1), on(opSocket, 3, 0, 1, 0, 1),
		on(opAcceptEx, 0, 2, 3, 0, 1), on(opAcceptEx, 0, 3, 3, 0, 1), on(opConnectEx, 1, 0, 0, 0, 1), on(opResult, 0, 0, 0, 0, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opClose, 0, 0, 0, 0, 0), on(opClose, 2, 0, 0, 0, 0), on(opCancelIo, 0, 0, 1, 0, 0).second(), on(opClose, 3, 0, 0, 0, 0).second(), on(opSend, 1, 0, 3, 3, 0).second(),
	}}},
	{"a completion port, and close under pending operations", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1), on(opAssociate, 0, 0, 0, 0, 0), on(opAssociate, 1, 0, 1, 0, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opRecvOverlapped, 0, 0, 3, 3, 0), on(opRecvOverlapped, 0, 0, 3, 3, 1), on(opRecvOverlapped, 0, 0, 3, 3, 0xe0), on(opPort, 0, 0, 0, 4, 0), on(opPort, 0, 0, 6, 4, 0), on(opPort, 0, 0, 7, 4, 9),
		on(opSendOverlapped, 1, 0, 5, 3, 0).second(), on(opSendOverlapped, 1, 0, 9, 3, 0).second(), on(opSendOverlapped, 1, 0, 9, 3, 0).second(), on(opSendOverlapped, 1, 0, 9, 3, 0).second(), on(opPort, 1, 0, 0, 4, 0).second(), on(opPort, 1, 0, 6, 4, 0).second(),
		on(opClose, 0, 0, 0, 0, 0), on(opClose, 1, 0, 0, 0, 0).second(), on(opPort, 0, 0, 6, 4, 0), on(opPort, 1, 0, 6, 4, 0),
	}}},
	{"a port that is closed", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1), on(opAssociate, 0, 0, 1, 0, 0), on(opRecvOverlapped, 0, 0, 3, 3, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opPort, 1, 0, 0, 4, 0), on(opPort, 1, 0, 0, 4, 0), on(opPortClose, 0, 0, 7, 0, 0).second(), on(opSend, 1, 0, 3, 3, 0).second(), on(opRecvOverlapped, 0, 0, 3, 3, 0).second(),
	}}},
	{"a blocked call that is cancelled, one whose socket is closed, one that times out", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 0), on(opPair, 2, 3, 0, 0, 0), on(opListener, 4, 5, 0, 0, 0), on(opSetOption, 3, 0, 0, 1, 0), on(opSetOption, 4, 0, 0, 1, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opRecv, 0, 0, 3, 3, 0), on(opRecv, 2, 0, 3, 3, 0), on(opRecv, 3, 0, 3, 3, 0), on(opAccept, 4, 0, 0, 0, 64), on(opSelect, 1, 1, 1, 0xff, 0),
		on(opCancelCall, 0, 0, 0, 0, 0).second(), on(opSleep, 0, 0, 4, 0, 0).second(), on(opCancelCall, 0, 0, 0, 0, 0).second(), on(opClose, 2, 0, 0, 0, 0).second(), on(opSleep, 0, 0, 4, 0, 0).second(), on(opClose, 4, 0, 0, 0, 0).second(), on(opClose, 1, 0, 0, 0, 0).second(),
	}}},
	{"a socket that is handed over, used there, and outlives the first session", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1), on(opDuplicate, 0, 2, 0, 0, 0), on(opDuplicate, 0, 3, 1, 0, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opSend, 2, 0, 3, 3, 0), on(opRecvOverlapped, 3, 0, 3, 3, 1), on(opClose, 0, 0, 0, 0, 0), on(opSend, 3, 0, 3, 3, 0), on(opClose, 3, 0, 0, 0, 0),
		on(opRecv, 1, 0, 9, 3, 0).second(), on(opSend, 1, 0, 3, 3, 0).second(), on(opRecv, 2, 0, 3, 3, 0).second(), on(opEventSelect, 2, 0, 0, 0, 0).second(), on(opEnum, 2, 0, 1, 0, 0).second(),
		on(opBarrier, 0, 0, 0, 0, 0), on(opCleanup, 0, 0, 1, 0, 0xff), on(opSend, 2, 0, 3, 3, 0).second(), on(opRecv, 2, 0, 3, 3, 0).second(),
	}}},
	{"network events and messages", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1), on(opEventSelect, 0, 0, 0x21, 2, 0), on(opAsyncSelect, 1, 0, 0, 0, 0), on(opListener, 2, 3, 0, 0, 1), on(opEventSelect, 2, 0, 8, 2, 0), on(opAsyncSelect, 3, 0, 0, 0, 0),
		on(opBarrier, 0, 0, 0, 0, 0), on(opConnect, 3, 0, 0, 24, 0), on(opSend, 1, 0, 4, 3, 0), on(opEnum, 0, 0, 0, 0, 0), on(opRecv, 0, 0, 3, 3, 0), on(opEnum, 0, 0, 1, 0, 0), on(opRecv, 0, 0, 8, 3, 0), on(opAccept, 2, 4, 0, 0, 64), on(opEnum, 2, 0, 0, 0, 0), on(opEnum, 4, 0, 0, 0, 0),
		on(opSend, 0, 0, 4, 3, 0).second(), on(opRecv, 1, 0, 4, 3, 0).second(), on(opClose, 1, 0, 0, 0, 0).second(), on(opEnum, 0, 0, 0, 0, 0).second(), on(opEventSelect, 0, 0, 0, 2, 0).second(),
	}}},
	{"datagrams", program{instructions: []instruction{
		on(opPairUDP, 0, 1, 0, 1, 0), on(opPairUDP, 2, 3, 0, 0, 0), on(opSend, 0, 0, 4, 3, 0), on(opSendTo, 2, 0, 3, 3, 36), on(opSendMsg, 2, 0, 3, 3, 36), on(opSendOverlapped, 0, 0, 0, 3, 1), on(opTransmitPackets, 0, 0, 3, 0, 0),
		on(opSelect, 1, 3, 0x11, 4, 0), on(opRecv, 1, 0, 3, 0x18, 0), on(opRecv, 1, 0, 2, 3, 0), on(opRecvFrom, 3, 0, 4, 3, 0), on(opRecvMsg, 3, 0, 4, 3, 0x3f), on(opRecvMsg, 3, 0, 4, 3, 0x7d), on(opRecvFromOverlapped, 1, 0, 4, 3, 3), on(opSleep, 0, 0, 4, 0, 0),
		on(opClose, 1, 0, 0, 0, 0), on(opSend, 0, 0, 3, 3, 0), on(opSend, 0, 0, 3, 3, 0), on(opRecv, 0, 0, 3, 3, 0),
	}}},
	{"multipoint", program{instructions: []instruction{
		on(opLeaves, 0, 1, 0, 0, 0), on(opJoinLeaf, 0, 0, 4, 0, 0), on(opJoinLeaf, 1, 0, 4, 0, 0), on(opJoinLeaf, 0, 0, 4, 0, 0), on(opSend, 0, 0, 3, 3, 0), on(opSelect, 1, 1, 1, 4, 0), on(opRecv, 1, 0, 4, 3, 0), on(opRecvFrom, 0, 0, 4, 3, 0), on(opShutdown, 1, 0, 1, 0, 0), on(opSend, 1, 0, 3, 3, 0),
	}}},
	{"linger", program{instructions: []instruction{
		on(opPair, 0, 1, 0, 0, 1), on(opPair, 2, 3, 0, 0, 0), on(opSend, 0, 0, 9, 3, 0), on(opSend, 2, 0, 4, 3, 0), on(opSetOption, 0, 0, 2, 2, 0), on(opSetOption, 2, 0, 2, 2, 0), on(opSetOption, 3, 0, 2, 1, 0), on(opBarrier, 0, 0, 0, 0, 0),
		on(opClose, 0, 0, 0, 0, 0), on(opClose, 2, 0, 0, 0, 0), on(opRecv, 1, 0, 9, 3, 0).second(), on(opClose, 3, 0, 0, 0, 0).second(), on(opRecv, 2, 0, 9, 3, 0), on(opClose, 0, 0, 0, 0, 0),
	}}},
	{"all is cleaned up while it works", program{instructions: []instruction{
		on(opStartup, 0, 0, 0, 0, 0), on(opPair, 0, 1, 0, 0, 0), on(opListener, 2, 3, 0, 0, 0), on(opCleanup, 0, 0, 0, 0, 0), on(opRecvOverlapped, 1, 0, 3, 3, 3), on(opRecvOverlapped, 0, 0, 3, 3, 1), on(opBarrier, 0, 0, 0, 0, 0),
		on(opRecv, 0, 0, 3, 3, 0), on(opAccept, 2, 4, 0, 0, 64), on(opCleanup, 0, 0, 1, 0, 0xff).second(), on(opCleanup, 0, 0, 0, 0, 0xff).second(), on(opSocket, 0, 0, 0, 0, 0).second(), on(opClose, 0, 0, 0, 0, 0).second(),
	}}},
}

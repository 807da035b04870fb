package socketstest_test

// An instruction is one call: which goroutine makes it, on which sockets, and what
// its arguments are made of.
type instruction struct {
	op, goroutine byte
	slot, other   byte
	a, b, c       byte
}

const (
	instructionSize = 5
	slots           = 6
	// maxInstructions bounds a run: what is behind them is not looked at.
	maxInstructions = 120
)

// decode makes the two lists of a program. A barrier stands in both.
func decode(code []byte) (lists [2][]instruction) {
	for n := 0; len(code) >= instructionSize && n < maxInstructions; n++ {
		i := instruction{
			op: code[0] & 0x7f % byte(len(operations)), goroutine: code[0] >> 7,
			slot: code[1] % slots, other: code[1] / slots % slots,
			a: code[2], b: code[3], c: code[4],
		}
		code = code[instructionSize:]
		if i.op == opBarrier {
			lists[0] = append(lists[0], i)
			lists[1] = append(lists[1], i)
			continue
		}
		lists[i.goroutine] = append(lists[i.goroutine], i)
	}
	return lists
}

// program is one that is written by hand.
type program struct {
	ground       byte
	instructions []instruction
}

func (p program) bytes() []byte {
	code := []byte{p.ground}
	for _, i := range p.instructions {
		code = append(code, i.op|i.goroutine<<7, i.slot+i.other*slots, i.a, i.b, i.c)
	}
	return code
}

// on is an instruction of the first goroutine, then of the second.
func on(op, slot, other, a, b, c byte) instruction {
	return instruction{op: op, slot: slot, other: other, a: a, b: b, c: c}
}

func (i instruction) second() instruction {
	i.goroutine = 1
	return i
}

// Operations, by their place in operations.
const (
	opSocket = iota
	opSocketWild
	opBind
	opListen
	opConnect
	opAccept
	opSend
	opRecv
	opSendTo
	opRecvFrom
	opSendOverlapped
	opRecvOverlapped
	opSendToOverlapped
	opRecvFromOverlapped
	opSelect
	opEventSelect
	opEnum
	opAsyncSelect
	opResult
	opCancelCall
	opNames
	opGetOption
	opSetOption
	opIoctl
	opIoctlOverlapped
	opJoinLeaf
	opDuplicate
	opShutdown
	opDisconnect
	opClose
	opText
	opQOS
	opStartup
	opCleanup
	opAcceptEx
	opConnectEx
	opDisconnectEx
	opTransmitFile
	opTransmitPackets
	opRecvMsg
	opSendMsg
	opPoll
	opCancelIo
	opAssociate
	opPort
	opPortClose
	opSleep
	opUpdateContext
	opBarrier
	opPair
	opPairUDP
	opMode
	opListener
	opLeaves
)

// operations are what an instruction may do. Each is in the file of its kind.
var operations = [...]func(*runner, instruction){
	opSocket:             (*runner).socket,
	opSocketWild:         (*runner).socketWild,
	opBind:               (*runner).bind,
	opListen:             (*runner).listen,
	opConnect:            (*runner).connect,
	opAccept:             (*runner).accept,
	opSend:               (*runner).send,
	opRecv:               (*runner).recv,
	opSendTo:             (*runner).sendTo,
	opRecvFrom:           (*runner).recvFrom,
	opSendOverlapped:     (*runner).sendOverlapped,
	opRecvOverlapped:     (*runner).recvOverlapped,
	opSendToOverlapped:   (*runner).sendToOverlapped,
	opRecvFromOverlapped: (*runner).recvFromOverlapped,
	opSelect:             (*runner).selectSockets,
	opEventSelect:        (*runner).eventSelect,
	opEnum:               (*runner).enumNetworkEvents,
	opAsyncSelect:        (*runner).asyncSelect,
	opResult:             (*runner).result,
	opCancelCall:         (*runner).cancelCall,
	opNames:              (*runner).names,
	opGetOption:          (*runner).getOption,
	opSetOption:          (*runner).setOption,
	opIoctl:              (*runner).ioctl,
	opIoctlOverlapped:    (*runner).ioctlOverlapped,
	opJoinLeaf:           (*runner).joinLeaf,
	opDuplicate:          (*runner).duplicate,
	opShutdown:           (*runner).shutdown,
	opDisconnect:         (*runner).disconnect,
	opClose:              (*runner).close,
	opText:               (*runner).text,
	opQOS:                (*runner).qos,
	opStartup:            (*runner).startup,
	opCleanup:            (*runner).cleanup,
	opAcceptEx:           (*runner).acceptEx,
	opConnectEx:          (*runner).connectEx,
	opDisconnectEx:       (*runner).disconnectEx,
	opTransmitFile:       (*runner).transmitFile,
	opTransmitPackets:    (*runner).transmitPackets,
	opRecvMsg:            (*runner).recvMsg,
	opSendMsg:            (*runner).sendMsg,
	opPoll:               (*runner).poll,
	opCancelIo:           (*runner).cancelIo,
	opAssociate:          (*runner).associate,
	opPort:               (*runner).port,
	opPortClose:          (*runner).portClose,
	opSleep:              (*runner).sleep,
	opUpdateContext:      (*runner).updateContext,
	opBarrier:            (*runner).barrier,
	opPair:               (*runner).pair,
	opPairUDP:            (*runner).pairUDP,
	opMode:               (*runner).mode,
	opListener:           (*runner).listener,
	opLeaves:             (*runner).leaves,
}

package sockets_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/netnsd/netnsd/provider/wsa"
	"github.com/netnsd/netnsd/sockets"
)

// TestNilArguments: no function of the two tables, and no extension function, ends
// the program when it is given nothing, on any kind of socket.
func TestNilArguments(t *testing.T) {
	x := newExtensions(t)
	l, at := x.bound(wsa.SOCK_STREAM, wsa.IPPROTO_TCP)
	x.ok(x.WSPListen(l, 5))
	c, s := x.connected()
	udp, _ := x.bound(wsa.SOCK_DGRAM, wsa.IPPROTO_UDP)
	fresh, e := x.WSPSocket(wsa.AF_INET, wsa.SOCK_STREAM, wsa.IPPROTO_TCP, nil, 0, wsa.WSA_FLAG_OVERLAPPED)
	x.ok(e)
	for _, h := range []sockets.SOCKET{l, c, s, udp, fresh} {
		on := []byte{1, 0, 0, 0}
		x.ok(x.WSPIoctl(h, wsa.FIONBIO, on, nil, new(uint32), nil, nil, nil))
	}
	functions := map[string]reflect.Value{}
	for _, table := range []reflect.Value{reflect.ValueOf(x.WSPProcTable), reflect.ValueOf(x.s.Upcalls())} {
		for i := range table.NumField() {
			functions[table.Type().Field(i).Name] = table.Field(i)
		}
	}
	for _, name := range []string{"AcceptEx", "ConnectEx", "DisconnectEx", "TransmitFile", "TransmitPackets", "WSARecvMsg", "WSASendMsg", "Associate", "CancelIoEx", "WPUBeginOverlapped", "WPUCompleteOverlappedRequest"} {
		functions[name] = reflect.ValueOf(x.s).MethodByName(name)
	}
	for _, skip := range []string{"WSPCleanup", "WSPCloseSocket", "WSPConnect", "WSPCancelBlockingCall"} {
		delete(functions, skip)
	}
	for name, f := range functions {
		for _, h := range []sockets.SOCKET{0, sockets.INVALID_SOCKET, l, c, s, udp, fresh} {
			for what, fill := range fillings(h, at) {
				call(t, fmt.Sprintf("%s, %s", name, what), f, fill)
			}
		}
	}
}

// fillings are ways to make up an argument.
func fillings(h sockets.SOCKET, at []byte) map[string]func(reflect.Type) reflect.Value {
	socket := func(t reflect.Type) (reflect.Value, bool) {
		return reflect.ValueOf(h), t == reflect.TypeFor[sockets.SOCKET]()
	}
	with := func(values ...any) func(reflect.Type) reflect.Value {
		return func(t reflect.Type) reflect.Value {
			if v, ok := socket(t); ok {
				return v
			}
			for _, v := range values {
				if reflect.TypeOf(v) == t {
					return reflect.ValueOf(v)
				}
			}
			return reflect.Zero(t)
		}
	}
	return map[string]func(reflect.Type) reflect.Value{
		"nothing":          with(),
		"an operation":     with(new(sockets.Overlapped)),
		"counts":           with(new(uint32), new(wsa.MsgFlags), new(int32)),
		"empty buffers":    with([][]byte{}, []byte{}, new(uint32), new(wsa.MsgFlags), new(int32), &sockets.WSAMSG{Buffers: [][]byte{}}),
		"a nil buffer":     with([][]byte{nil}, at, new(uint32), new(wsa.MsgFlags), new(int32), &sockets.WSAMSG{Buffers: [][]byte{nil}, Name: at}),
		"pending":          with([][]byte{nil}, new(wsa.MsgFlags), new(sockets.Overlapped), &sockets.WSAMSG{Buffers: [][]byte{}}),
		"the largest":      with(uint32(1<<32-1), int32(-1), int64(1<<63-1), make([]byte, 100), [][]byte{{}}, new(uint32), new(wsa.MsgFlags), new(sockets.Overlapped)),
		"a message of nil": with(&sockets.WSAMSG{}, new(uint32), &sockets.TransmitBuffers{}, []sockets.TransmitPacket{{}}),
	}
}

func call(t *testing.T, what string, f reflect.Value, fill func(reflect.Type) reflect.Value) {
	t.Helper()
	var in []reflect.Value
	for i := range f.Type().NumIn() {
		in = append(in, fill(f.Type().In(i)))
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic: %v", what, p)
		}
	}()
	f.Call(in)
}

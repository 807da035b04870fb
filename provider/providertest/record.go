package providertest

import (
	"reflect"

	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// overlay puts the entries that over has into t.
func overlay(t, over *provider.ProcTable) {
	v, o := reflect.ValueOf(t).Elem(), reflect.ValueOf(over).Elem()
	for i := range v.NumField() {
		if !o.Field(i).IsNil() {
			v.Field(i).Set(o.Field(i))
		}
	}
}

// recorded wraps every entry of t so that each call is seen. Reflection does
// it, as nothing here is measured.
func (b *Base) recorded(t provider.ProcTable) provider.ProcTable {
	return wrap(t, func(op string, args []reflect.Value, call func() []reflect.Value) []reflect.Value {
		s, info, arg := inspect(args)
		defer b.enter(op, s, info, arg)()
		return call()
	})
}

// wrap puts around before every entry of t.
func wrap(t provider.ProcTable, around func(op string, args []reflect.Value, call func() []reflect.Value) []reflect.Value) provider.ProcTable {
	v := reflect.ValueOf(&t).Elem()
	for i := range v.NumField() {
		f := reflect.ValueOf(v.Field(i).Interface())
		if f.IsNil() {
			continue
		}
		op := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
			return around(op, args, func() []reflect.Value { return f.Call(args) })
		}))
	}
	return t
}

func inspect(args []reflect.Value) (s *provider.Socket, info *provider.ProtocolInfo, arg any) {
	for _, a := range args {
		switch x := a.Interface().(type) {
		case *provider.Socket:
			s = x
		case *provider.ProtocolInfo:
			info = x
		case *provider.SocketRequest:
			info, arg = x.Info, *x
		case *provider.Msg:
			arg = x.Flags
		default:
			arg = x
		}
	}
	return s, info, arg
}

// Recorder is a layer that replaces every entry by one that notes the call in
// Log and goes on below.
type Recorder struct {
	Name string
	Log  *Log
	Only []string // replace just these entries; nil = all
}

// Startup implements provider.Layer.
func (l *Recorder) Startup(r *provider.StartupRequest, next *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	l.Log.add(Call{Op: l.Name + ".WSPStartup", Info: r.Info, Arg: r.Place})
	t := *next
	if l.Only != nil {
		t = provider.ProcTable{}
		v, n := reflect.ValueOf(&t).Elem(), reflect.ValueOf(next).Elem()
		for _, f := range l.Only {
			v.FieldByName(f).Set(n.FieldByName(f))
		}
	}
	return wrap(t, func(op string, args []reflect.Value, call func() []reflect.Value) []reflect.Value {
		s, info, arg := inspect(args)
		l.Log.add(Call{Op: l.Name + "." + op, Socket: s, Info: info, Arg: arg})
		return call()
	}), 0
}

// PassThrough is a layer that replaces nothing.
type PassThrough struct{}

// Startup implements provider.Layer.
func (PassThrough) Startup(*provider.StartupRequest, *provider.ProcTable) (provider.ProcTable, wsa.Errno) {
	return provider.ProcTable{}, 0
}

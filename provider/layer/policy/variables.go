package policy

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/netnsd/netnsd/provider"
)

// A variable is a fact as conditions name it.
type variable struct {
	name string
	typ  *cel.Type
	kind factKind
	of   func(*view) any // nil: unknown
}

// factKind is when a fact becomes known, if at all.
type factKind uint8

const (
	anyTime  factKind = iota // with the first operation, or never
	onTheWay                 // when it is known where an operation goes: not of a lookup
	byHello                  // when a stream has begun
)

// variables are all that conditions can ask about; doc.go has them for people.
var variables = []variable{
	{"op", cel.StringType, anyTime, func(v *view) any { return v.op.String() }},
	{"attachment", cel.StringType, anyTime, func(v *view) any { return attachmentOf(v.f.Origin) }},
	{"names", cel.ListType(cel.StringType), anyTime, func(v *view) any { return v.f.Names }},

	{"protocol", cel.StringType, onTheWay, func(v *view) any { return known(protoNames[v.q.proto], v.q.proto != unknown) }},
	{"address", cel.StringType, onTheWay, func(v *view) any { return known(v.q.addr.String(), v.q.addr.IsValid()) }},
	{"port", cel.IntType, onTheWay, func(v *view) any { return known(int64(v.q.port), v.q.port != 0) }},

	{"server_name", cel.StringType, byHello, func(v *view) any { return strings.ToLower(strings.TrimSuffix(v.q.sni, ".")) }},
	{"alpn", cel.StringType, byHello, func(v *view) any { return v.f.Late.ALPN }},
	{"ech", cel.BoolType, byHello, func(v *view) any { return v.f.Late.ECH }},

	{"uid", cel.IntType, anyTime, func(v *view) any { uid, ok := uidOf(v.f.Origin); return known(int64(uid), ok) }},
	{"pid", cel.IntType, anyTime, func(v *view) any { pid, ok := pidOf(v.f.Origin); return known(int64(pid), ok) }},
	{"exe", cel.StringType, anyTime, func(v *view) any { exe, ok := exeOf(v.f.Origin); return known(exe, ok) }},
	{"cgroup", cel.StringType, anyTime, func(v *view) any { group, ok := cgroupOf(v.f.Origin); return known(group, ok) }},
}

func known(value any, ok bool) any {
	if !ok {
		return nil
	}
	return value
}

// Facts that are missing, as CEL knows them: their trails tell the two apart in
// what an expression comes to.
var (
	missing  = types.NewUnknown(1, types.NewAttributeTrail("missing"))
	stillOut = types.NewUnknown(2, types.NewAttributeTrail("later"))
)

const missingID = 1

// view is the facts of one operation, as a cel.Activation. A fact is looked up
// when an expression asks for it, and not before.
type view struct {
	f  provider.Facts
	q  question
	op provider.Op
}

// Parent implements cel.Activation.
func (v *view) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (v *view) ResolveName(name string) (any, bool) {
	for i := range variables {
		if x := &variables[i]; x.name == name {
			return v.value(x), true
		}
	}
	return nil, false
}

func (v *view) value(x *variable) any {
	if x.kind == onTheWay && v.q.lookup {
		return stillOut
	}
	if x.kind == byHello && !v.q.hello && !v.q.plain {
		if v.q.lookup || v.q.proto == tcp && v.op == provider.OpConnect {
			return stillOut
		}
		return missing
	}
	if value := x.of(v); value != nil {
		return value
	}
	return missing
}

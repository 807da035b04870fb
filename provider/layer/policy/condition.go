package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/netnsd/netnsd/provider"
)

// Bounds of a condition. The cost of one evaluation is counted by CEL in steps;
// the limit is a fraction of a millisecond, which no condition that a person
// writes comes near.
const (
	maxCondition = 4096 // characters
	maxNodes     = 512  // of its tree
	maxNesting   = 32
	maxCost      = 10_000
)

// A Condition is an expression in CEL (cel.dev) over the facts of an operation.
// Get one from [ParseCondition].
type Condition struct {
	text    string
	program cel.Program
	hello   bool // it asks about what a ClientHello says
}

// String is the condition as written.
func (c *Condition) String() string {
	if c == nil {
		return ""
	}
	return c.text
}

// ParseCondition compiles a condition. The error is a [*SyntaxError].
func ParseCondition(text string) (c *Condition, err error) {
	defer func() { // the compiler is not ours, and a condition is anybody's
		if p := recover(); p != nil {
			c, err = nil, &SyntaxError{Text: text, Column: 1, Reason: oneLine(fmt.Sprintf("not an expression: %v", p))}
		}
	}()
	if strings.TrimSpace(text) == "" {
		return nil, &SyntaxError{Text: text, Column: 1, Reason: `a condition is missing, such as port == 443`}
	}
	e, err := environment()
	if err != nil {
		return nil, err
	}
	tree, issues := e.Compile(text)
	if issues.Err() != nil {
		return nil, syntaxError(text, issues)
	}
	c = &Condition{text: text}
	if err := c.check(tree); err != nil {
		return nil, err
	}
	if c.program, err = e.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost)); err != nil {
		return nil, &SyntaxError{Text: text, Column: 1, Reason: err.Error()}
	}
	return c, nil
}

// environment is CEL with our variables. It is made when the first condition is
// met, as it takes a millisecond that a program without any need not spend.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxCondition), cel.ParserRecursionLimit(maxNesting), cel.ParserErrorRecoveryLimit(1),
		cel.ExpressionNodeLimit(maxNodes), cel.ExpressionNestingDepthLimit(maxNesting),
		cel.ASTValidators(cel.ValidateRegexLiterals()),
		cel.Function("within", cel.MemberOverload("address_within", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, cel.BinaryBinding(isWithin))),
	}
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.typ))
	}
	return cel.NewEnv(options...)
})

// isWithin is address.within("10.0.0.0/8") or a group's name.
func isWithin(address, network ref.Val) ref.Val {
	a, err := netip.ParseAddr(string(address.(types.String)))
	if err != nil {
		return types.NewErr("%q is not an address", address)
	}
	h, err := networkNamed(string(network.(types.String)))
	if err != nil {
		return types.WrapErr(err)
	}
	a = a.WithZone("").Unmap()
	there := h.has(a)
	if v4 := inNAT64(a); !there && v4.IsValid() && h.has(v4) {
		return missing // where it really leads
	}
	return types.Bool(there)
}

// networkNamed reads a network or the name of a group.
func networkNamed(text string) (host, error) {
	x, err := ParseExpr(text)
	var s *SyntaxError
	switch {
	case errors.As(err, &s):
		return host{}, errors.New(s.Reason)
	case x.host.kind != network && x.host.kind != grouped || x.proto != unknown || len(x.ports) > 0:
		return host{}, fmt.Errorf("%q is neither a network nor a group, such as 10.0.0.0/8 or private", text)
	}
	return x.host, nil
}

// check looks at what CEL lets pass and we do not: what is not a question, and
// networks that are none.
func (c *Condition) check(tree *cel.Ast) error {
	if t := tree.OutputType(); !t.IsExactType(cel.BoolType) {
		return &SyntaxError{Text: c.text, Column: 1, Reason: fmt.Sprintf("a condition is true or false (bool), this is %s", t)}
	}
	var wrong error
	native := tree.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		switch {
		case x.Kind() == ast.IdentKind:
			c.hello = c.hello || slices.ContainsFunc(variables, func(v variable) bool { return v.name == x.AsIdent() && v.kind == byHello })
		case wrong == nil && x.Kind() == ast.CallKind && x.AsCall().FunctionName() == "within":
			arg := x.AsCall().Args()[0]
			at := native.SourceInfo().GetStartLocation(arg.ID())
			reason := "within needs a network or group in quotes"
			if arg.Kind() == ast.LiteralKind {
				_, err := networkNamed(string(arg.AsLiteral().(types.String)))
				if err == nil {
					return
				}
				reason = err.Error()
			}
			wrong = &SyntaxError{Text: c.text, Line: at.Line(), Column: at.Column() + 1, Reason: reason}
		}
	}))
	return wrong
}

// syntaxError is the first of CEL's complaints.
func syntaxError(text string, issues *cel.Issues) error {
	all := issues.Errors()
	if len(all) == 0 { // limits have no place
		return &SyntaxError{Text: text, Column: 1, Reason: oneLine(issues.Err().Error())}
	}
	first := all[0]
	reason := strings.Replace(first.Message, " (in container '')", "", 1)
	if strings.HasPrefix(reason, "undeclared reference") {
		var names []string
		for _, v := range variables {
			names = append(names, v.name)
		}
		reason += "; the facts are " + strings.Join(names, ", ")
	}
	return &SyntaxError{Text: text, Line: max(1, first.Location.Line()), Column: max(1, first.Location.Column()+1), Reason: oneLine(reason)}
}

func oneLine(s string) string { return strings.Map(printable, strings.Join(strings.Fields(s), " ")) }

// holds is what c comes to. What fails (a list without such an element, too many
// steps) is not known. A nil condition holds.
func (c *Condition) holds(f provider.Facts, q question, op provider.Op) answer {
	if c == nil {
		return yes
	}
	value, _, err := c.program.Eval(&view{f, q, op})
	if err != nil {
		return never
	}
	switch v := value.(type) {
	case types.Bool:
		if v {
			return yes
		}
		return no
	case *types.Unknown:
		if !slices.Contains(v.IDs(), missingID) {
			return later
		}
	}
	return never
}

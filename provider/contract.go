package provider

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netnsd/netnsd/provider/wsa"
)

// A Contract says where a layer may stand in a chain, in place of the order of
// installation, which is what it hung on in Windows. A chain in which a contract is
// broken is neither installed nor built, and the error names both layers; [Arrange]
// finds an order in which none is.
type Contract struct {
	// Kind is what the contracts of others call the layer: what it is, not what it was
	// installed as. Empty: they do not mean it by kind.
	Kind string
	// Categories say what it does, in the SDK's words (wsa.LSP_*); others may mean it by
	// them, and the catalog has them for programs that permit categories
	// ([Catalog.WSCSetApplicationCategory]) unless WSCSetProviderInfo states others.
	Categories uint32
	// Before are whom it must stand before, nearer the application, where they are in a
	// chain; After whom it must stand after. A word is a kind, or a category: one of
	// inspector, redirector, proxy, firewall, inbound-modify, outbound-modify,
	// crypto-compress, local-cache and system.
	Before, After []string
}

// Contracted is a Layer with a contract. Others may stand anywhere.
type Contracted interface {
	Layer
	// Contract is asked at any time, and must be the same always.
	Contract() Contract
}

// categoryNames are the words of contracts for wsa.LSP_*.
var categoryNames = []struct {
	bit  uint32
	name string
}{
	{wsa.LSP_INSPECTOR, "inspector"}, {wsa.LSP_REDIRECTOR, "redirector"}, {wsa.LSP_PROXY, "proxy"}, {wsa.LSP_FIREWALL, "firewall"},
	{wsa.LSP_INBOUND_MODIFY, "inbound-modify"}, {wsa.LSP_OUTBOUND_MODIFY, "outbound-modify"},
	{wsa.LSP_CRYPTO_COMPRESS, "crypto-compress"}, {wsa.LSP_LOCAL_CACHE, "local-cache"}, {wsa.LSP_SYSTEM, "system"},
}

// CategoryNames are the categories' words, as contracts use them.
func CategoryNames(categories uint32) []string {
	var names []string
	for _, c := range categoryNames {
		if categories&c.bit != 0 {
			names = append(names, c.name)
		}
	}
	return names
}

func (c Contract) is(word string) bool {
	return word == c.Kind && word != "" || slices.Contains(CategoryNames(c.Categories), word)
}

// contractOf is l's contract, contained: whoever panics has none.
func contractOf(l Layer) (c Contract) {
	if with, ok := l.(Contracted); ok {
		defer func() { _ = recover() }()
		return with.Contract()
	}
	return Contract{}
}

// mustPrecede says why a has to stand before b, "" if it need not.
func mustPrecede(a, b Contract) string {
	for _, w := range a.Before {
		if b.is(w) {
			return "before " + w
		}
	}
	for _, w := range b.After {
		if a.is(w) {
			return "after " + w
		}
	}
	return ""
}

// CheckOrder says which two of layers, the first nearest the application, stand the
// wrong way round, by their names: EINVAL.
func CheckOrder(names []string, layers []Layer) error {
	if why := disorder(names, layers); why != "" {
		return &CatalogError{Op: "order", Entry: "layers", Errno: wsa.EINVAL, Reason: why}
	}
	return nil
}

// disorder says which two of layers, the first nearest the application, stand the
// wrong way round; "" if none do.
func disorder(names []string, layers []Layer) string {
	all := contractsOf(layers)
	for below := range all {
		for above := range below {
			if why := mustPrecede(all[below], all[above]); why != "" {
				return wrongWay(names[above], names[below], why)
			}
		}
	}
	return ""
}

func wrongWay(above, below, why string) string {
	if strings.HasPrefix(why, "after") {
		return fmt.Sprintf("%s stands before %s, and has to stand %s", above, below, why)
	}
	return fmt.Sprintf("%s stands after %s, and has to stand %s", below, above, why)
}

func contractsOf(layers []Layer) []Contract {
	all := make([]Contract, len(layers))
	for i, l := range layers {
		all[i] = contractOf(l)
	}
	return all
}

// Arrange is the order, as indices of layers, in which they keep their contracts and
// else stay as they are given, the first nearest the application. EINVAL: they cannot,
// and the error says which of them, by their names.
func Arrange(names []string, layers []Layer) ([]int, error) {
	all := contractsOf(layers)
	var order []int
	left := make([]int, len(layers))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(i int) bool { return free(all, left, i) })
		if i < 0 {
			return nil, &CatalogError{Op: "arrange", Entry: "layers", Errno: wsa.EINVAL, Reason: circle(names, all, left)}
		}
		order = append(order, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return order, nil
}

// free says that none of left has to stand before i.
func free(all []Contract, left []int, i int) bool {
	return !slices.ContainsFunc(left, func(j int) bool { return j != i && mustPrecede(all[j], all[i]) != "" })
}

// circle names layers that each have to stand before the next, and the last before
// the first: there is one, as none of left is free.
func circle(names []string, all []Contract, left []int) string {
	path := []int{left[0]}
	for {
		at := path[len(path)-1]
		i := slices.IndexFunc(left, func(j int) bool { return j != at && mustPrecede(all[j], all[at]) != "" })
		if from := slices.Index(path, left[i]); from >= 0 {
			path = append(path[from:], left[i])
			break
		}
		path = append(path, left[i])
	}
	slices.Reverse(path)
	var said []string
	for k, i := range path[:len(path)-1] {
		said = append(said, fmt.Sprintf("%s before %s (%s)", names[i], names[path[k+1]], mustPrecede(all[i], all[path[k+1]])))
	}
	return "their contracts are a circle: " + strings.Join(said, ", ")
}

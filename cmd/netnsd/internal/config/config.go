package config

// Config is a whole file. After [Load] every default is filled in and every
// reference leads somewhere.
type Config struct {
	// The version of the format: 1.
	Version int `json:"version" jsonschema:"required,enum=1"`
	// The program itself.
	Daemon Daemon `json:"daemon"`
	// What sockets are made of.
	Catalog Catalog `json:"catalog"`
	// What holds for attachments that do not say otherwise, those of the control socket included.
	Defaults Settings `json:"defaults"`
	// The network namespaces that are served.
	Attachments []Attachment `json:"attachments"`
}

// Daemon configures the program itself.
type Daemon struct {
	// Path of the control socket. Default /run/netnsd/netnsd.sock.
	Socket string `json:"socket"`
	// Group whose members may use the control socket, besides root and the daemon's own user. Who may use it is as good as root. Default: none.
	SocketGroup string `json:"socket_group" jsonschema:"oneof_type=string;integer"`
	// ADDR:PORT where Prometheus finds /metrics. Default: nowhere.
	Metrics string `json:"metrics"`
	// What goes to stderr.
	Log Log `json:"log"`
	// How long connections may take to end after SIGTERM. Default 30s; 0s resets them at once.
	Drain Duration `json:"drain"`
	// What becomes of flows when the configuration changes.
	Reload Reload `json:"reload"`
}

// Old words: what becomes of flows on a chain that has changed.
const (
	OldPin   = "pin"
	OldDrain = "drain"
	OldReset = "reset"
)

// Reload says what becomes of flows when the configuration changes. Those whose chain
// stays as it was notice nothing; those that are denied now are reset.
type Reload struct {
	// Of flows that are still allowed, on a chain that has changed: pin: they go on with the chain that they began with. drain: so they do for a time, and are reset then. reset: they are reset. Default pin.
	Old string `json:"old" jsonschema:"enum=pin,enum=drain,enum=reset"`
	// How long drain gives them. Default 30s.
	Drain Duration `json:"drain"`
	// Connections that are denied now go on, too. Default false.
	KeepDenied bool `json:"keep_denied"`
}

// Log says what is logged, and how.
type Log struct {
	// debug, info, warn or error. Default info.
	Level string `json:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error"`
	// text, json, or auto: text on a terminal, JSON elsewhere. Default auto.
	Format string `json:"format" jsonschema:"enum=auto,enum=text,enum=json"`
}

// Catalog is what `netsh winsock show catalog` shows on Windows: what can be asked
// for, in order. If no chain is given there is one, default: a policy that allows
// all over the host's sockets, as a run without rules has it.
type Catalog struct {
	// Base providers, which make the sockets. Default: host.
	Providers []Provider `json:"providers"`
	// Layered providers, which stand between the program and the base.
	Layers []Layer `json:"layers"`
	// Layers over a base. A chain is the only way to its base.
	Chains []Chain `json:"chains"`
	// Which chain a socket takes, after what its attachment says; the first match wins.
	Select []Selection `json:"select"`
}

// Provider is a base provider.
type Provider struct {
	// What chains call it.
	Name string `json:"name" jsonschema:"required"`
	// host: the sockets of this machine.
	Type string `json:"type" jsonschema:"required,enum=host"`
}

// Chain is layers over a base.
type Chain struct {
	// What selections and attachments call it.
	Name string `json:"name" jsonschema:"required"`
	// The layers, the first nearest the program, at least one. Under a policy with names the layer that reads them from a ClientHello (sni) is added by itself.
	Layers []string `json:"layers" jsonschema:"required"`
	// The base provider. Default: the first.
	Base string `json:"base"`
}

// Selection chooses a chain. All conditions that are given must hold.
type Selection struct {
	// Networks or addresses of the destination, any of them. Default: all, and sockets without a destination.
	To []Prefix `json:"to,omitempty"`
	// Ports of the destination, as 443 or 8000-8010, any of them. Default: all.
	Ports []Ports `json:"ports,omitempty"`
	// The chain.
	Chain string `json:"chain" jsonschema:"required"`
}

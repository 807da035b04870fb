// Package config is netnsd.yaml, the file of `netnsd daemon`: its types, its
// defaults, and what may stand in it.
//
//	version: 1
//	daemon:       {socket: /run/netnsd/netnsd.sock, metrics: "127.0.0.1:9469"}
//	catalog:      what sockets are made of: providers, layers, chains, selection
//	defaults:     of every attachment, also of those made through the control socket
//	attachments:  the namespaces that are served
//
// The smallest useful file names one namespace; the rest has defaults, and
// `netnsd config show` prints them filled in:
//
//	version: 1
//	attachments: [{name: web, netns: {name: web}}]
//
// Reading is strict, as of a policy: a key that nobody knows, a key or a name that
// comes twice, a wrong type, a reference to what does not exist, an address that is
// not one are errors with file:line:column and the line itself. All that are found
// are reported at once, and on an error there is no configuration: a daemon that
// runs goes on with what it has. YAML's anchors, aliases and tags are refused.
//
// The types are the truth. The reader walks them by reflection over the JSON tags,
// the same for the file and for what comes through the control socket; schema.json is
// made of them and of their comments by `go generate`, and a test compares.
// Names of files in it are relative to the file itself.
package config

package config

// DefaultSocket is where the daemon listens and its clients ask.
const DefaultSocket = "/run/netnsd/netnsd.sock"

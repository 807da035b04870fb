package gateway

// For the tests from outside.
var (
	Upstream = upstream
	Reply    = reply
)

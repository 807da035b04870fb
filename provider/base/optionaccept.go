package base

import "github.com/netnsd/netnsd/provider/wsa"

// acceptOptions are the rows of winsock-spi 9.1 about how a listener answers.
var acceptOptions = []option{
	{level: wsa.SOL_SOCKET, name: wsa.SO_CONDITIONAL_ACCEPT, on: onStream | onFamily, boolean: true, down: needed, write: beforeListen},
	{level: wsa.SOL_SOCKET, name: wsa.SO_PAUSE_ACCEPT, on: onStream | onFamily, boolean: true, down: needed},
}

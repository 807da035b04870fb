package sockets

import (
	"github.com/netnsd/netnsd/provider"
	"github.com/netnsd/netnsd/provider/wsa"
)

// description is szDescription of WSPDATA.
const description = "netnsd: the Winsock 2 service provider interface on a userspace network stack"

// WSPStartup begins a session the Winsock way (winsock-spi 3.1): version is what
// the caller asks for, low byte major; data says what it gets, which is never
// more than 2.2. It returns the session, its table and the upcalls.
//
// VERNOTSUPPORTED: less than 2.2 was asked for. EFAULT: no data. EINVAL: Config
// has no catalog. Providers start when the first socket needs them, and what fails
// then is told there: EINVALIDPROVIDER (it speaks another version than 2.2),
// EINVALIDPROCTABLE, EPROVIDERFAILEDINIT or the code that the provider gave.
func WSPStartup(version uint16, data *provider.WSPData, cfg Config) (*Session, WSPProcTable, WSPUpcallTable, wsa.Errno) {
	d, e := negotiate(version, data)
	if e != 0 {
		return nil, WSPProcTable{}, WSPUpcallTable{}, e
	}
	s, err := Startup(cfg)
	if err != nil {
		return nil, WSPProcTable{}, WSPUpcallTable{}, code(err)
	}
	*data = d
	return s, s.ProcTable(), s.Upcalls(), 0
}

func negotiate(version uint16, data *provider.WSPData) (provider.WSPData, wsa.Errno) {
	if data == nil {
		return provider.WSPData{}, wsa.EFAULT
	}
	d, e := provider.Negotiate(version, provider.Version, provider.Version)
	d.Description = description
	return d, e
}

// WSPStartup is a further WSPStartup of the session: each wants a WSPCleanup, and
// the last one ends the session. NOTINITIALISED: it has ended.
func (s *Session) WSPStartup(version uint16, data *provider.WSPData) wsa.Errno {
	d, e := negotiate(version, data)
	if e != 0 {
		return e
	}
	for {
		n := s.starts.Load()
		if n <= 0 || s.down.Load() {
			return wsa.NOTINITIALISED
		}
		if s.starts.CompareAndSwap(n, n+1) {
			*data = d
			return 0
		}
	}
}

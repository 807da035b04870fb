package netstack

import "io"

// source feeds the buffers of a Msg to gVisor (tcpip.Payloader). Len must be
// exact: if less can be read than it says, gVisor fails the write, and what it
// took is lost (tcp readFromPayloader).
type source struct {
	bufs [][]byte
	off  int // in bufs[0]
	left int
}

func (s *source) reset(bufs [][]byte) {
	*s = source{bufs: bufs}
	for _, b := range bufs {
		s.left += len(b)
	}
}

// Len is what is left to read, in bytes.
func (s *source) Len() int { return s.left }

// Read takes bytes across buffers.
func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && len(s.bufs) > 0 {
		c := copy(p[n:], s.bufs[0][s.off:])
		n, s.off = n+c, s.off+c
		if s.off == len(s.bufs[0]) {
			s.bufs, s.off = s.bufs[1:], 0
		}
	}
	s.left -= n
	return n, nil
}

// sink spreads what gVisor reads out over the buffers of a Msg. gVisor panics
// at a short write without an error (PacketData.ReadTo).
type sink struct {
	bufs [][]byte
	off  int
}

func (s *sink) reset(bufs [][]byte) { *s = sink{bufs: bufs} }

// Write fills the buffers; io.ErrShortWrite once they are full.
func (s *sink) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && len(s.bufs) > 0 {
		c := copy(s.bufs[0][s.off:], p[n:])
		n, s.off = n+c, s.off+c
		if s.off == len(s.bufs[0]) {
			s.bufs, s.off = s.bufs[1:], 0
		}
	}
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

package stacktest

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Pour sends n packets, or as many as there are until ctx ends, in steps of 10 ms at so
// many a second, from a raw socket of the namespace of the calling thread. It needs
// CAP_NET_RAW there. A device that is full drops them.
func (f *Flood) Pour(ctx context.Context, n, rate int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW) // IP_HDRINCL
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const step = 10 * time.Millisecond
	a := max(1, rate*int(step)/int(time.Second))
	tick := time.NewTicker(step)
	defer tick.Stop()
	to := &unix.SockaddrInet4{Addr: f.to.Addr().As4()}
	for i := 0; n == 0 || i < n; i++ {
		if i%a == 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
		if err := unix.Sendto(fd, f.Next(), 0, to); err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	return nil
}

package stack_test

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/netnsd/netnsd/stack"
	"github.com/netnsd/netnsd/stack/stacktest"
	"github.com/netnsd/netnsd/tun"
)

// BenchmarkRecovery is where the table of lossRecovery in tune.go comes from:
// 8 MiB from the stack to a kernel through a TUN of MTU 1500 with faults both
// ways, per iteration, each with another seed.
func BenchmarkRecovery(b *testing.B) {
	for _, fault := range []struct {
		name string
		stacktest.Impairment
		split bool
	}{
		{"loss 1 %", stacktest.Impairment{Loss: 0.01}, true},
		{"loss 5 %", stacktest.Impairment{Loss: 0.05}, true},
		{"loss 1 %, 1 ms", stacktest.Impairment{Loss: 0.01, Delay: time.Millisecond}, true},
		{"reordering 5 %", stacktest.Impairment{Reorder: 0.05}, true},
		{"super-segments, loss 1 %", stacktest.Impairment{Loss: 0.01}, false},
		{"super-segments, reordering 5 %", stacktest.Impairment{Reorder: 0.05}, false},
	} {
		for _, v := range []struct {
			name  string
			cfg   stack.Config
			opt   func(*testing.B, *stack.Stack)
			plain bool
		}{
			{name: "ours"},
			{name: "RTO 60 ms", cfg: stack.Config{RTO: stack.RTORange{Min: 60 * time.Millisecond}}},
			{name: "RACK", opt: setTCP(ptr(tcpip.TCPRACKLossDetection))},
			{name: "no SACK", opt: setTCP(ptr(tcpip.TCPSACKEnabled(false)))},
			{name: "cubic", cfg: stack.Config{CongestionControl: "cubic"}},
			{name: "no offloads", plain: true},
		} {
			if v.cfg.CongestionControl == "cubic" && fault.Loss != 0.01 {
				continue // a minute for 8 MiB
			}
			b.Run(fault.name+"/"+v.name, func(b *testing.B) {
				var rtos, rexmits uint64
				for seed := range b.N {
					b.StopTimer()
					x := newTunnelWith(b, tunnelConfig{Config: tun.Config{NoOffload: v.plain}, stack: v.cfg, wrap: func(d *tun.Device) stack.Device {
						return stacktest.NewFaults(d, stacktest.FaultConfig{In: fault.Impairment, Out: fault.Impairment, Split: fault.split, Seed: uint64(seed)})
					}})
					if v.opt != nil {
						v.opt(b, x.stack)
					}
					kernel, ours := x.pair(gate4)
					b.StartTimer()
					if err := stacktest.StartPour(ours, kernel, 8<<20, time.Minute).Wait(); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					ts := x.stack.TCPIP().Stats().TCP
					rtos += ts.Timeouts.Value()
					rexmits += ts.Retransmits.Value()
				}
				b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/8MiB")
				b.ReportMetric(float64(rtos)/float64(b.N), "RTOs")
				b.ReportMetric(float64(rexmits)/float64(b.N), "rexmits")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func ptr[T any](v T) *T { return &v }

func setTCP(o tcpip.SettableTransportProtocolOption) func(*testing.B, *stack.Stack) {
	return func(b *testing.B, s *stack.Stack) {
		if err := s.TCPIP().SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			b.Fatal(err)
		}
	}
}

package stack

import "gvisor.dev/gvisor/pkg/buffer"

// viewRing hands out 64 KiB views without the clearing that buffer.NewView
// does (17 % of the CPU of an upload, perf.md B), by gVisor's public API alone.
//
// The ring keeps a reference to every chunk and hands out clones. When a slot
// comes round again WriteAt(nil, 0) does nothing if the ring's reference is the
// last one; if a clone still waits in a receive queue it copies on write, into
// a fresh chunk: slow, but correct.
type viewRing struct {
	pos   int
	views [ringSize]*buffer.View
}

const (
	ringSize = 64 // 4 MiB per queue: two full receive buffers in flight before a slot is met again
	ringView = 64 << 10
)

// get returns a view of ringView bytes that nobody else reads. Its content is
// left over from earlier packets.
func (r *viewRing) get() *buffer.View {
	v := r.views[r.pos]
	if v == nil {
		v = buffer.NewViewSize(ringView)
		r.views[r.pos] = v
	} else {
		v.WriteAt(nil, 0)
	}
	r.pos = (r.pos + 1) % ringSize
	return v.Clone()
}

func (r *viewRing) release() {
	for i, v := range r.views {
		if v != nil {
			v.Release()
			r.views[i] = nil
		}
	}
}

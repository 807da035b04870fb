package stack

// A Batcher is a FlowHandler that holds datagrams back for a moment to send
// several at once. Each reading goroutine asks it for a Batch of its own.
type Batcher interface {
	FlowHandler
	Batch(n *NIC, queue int) Batch
}

// A Batch takes datagrams in place of FlowHandler.UDP: those that are whole, go to
// a foreign address, carry no IP options and have hops left. One goroutine calls
// it, the reader of one queue.
type Batch interface {
	// UDP must not block. held says that Flush is wanted.
	UDP(d *Datagram) (held bool)
	// Flush sends what is held. It is called when the reader is about to wait, ends,
	// or has read a packet that must not overtake what is held, and soon after the
	// last datagram at any rate.
	Flush()
}

// An Idler is a Device that tells when a reader is about to wait. Over any other
// Device a Batch is flushed after each packet.
type Idler interface {
	// OnIdle has idle called on the goroutine that reads queue q, whenever ReadPacket
	// has found nothing and before it waits. It is called before the first ReadPacket.
	OnIdle(q int, idle func())
}

// maxPassed is how many packets a reader takes care of before it flushes a Batch
// that none of them went to: a super-segment is 40 us of work (perf.md B).
const maxPassed = 4

// held is what a reader knows of its Batch.
type held struct {
	batch  Batch // nil: the handler is no Batcher
	idler  bool
	any    bool
	passed int // packets since the last datagram
}

func (r *reader) openBatch() {
	b, ok := r.link.nic.handler.(Batcher)
	if !ok {
		return
	}
	r.held.batch = b.Batch(r.link.nic, r.queue)
	if d, ok := r.link.dev.(Idler); ok {
		d.OnIdle(r.queue, r.flush)
		r.held.idler = true
	}
}

// hold gives the datagram to the Batch, false if there is none.
func (r *reader) hold(d *Datagram) bool {
	if r.held.batch == nil {
		return false
	}
	r.held.any, r.held.passed = r.held.batch.UDP(d), 0
	return true
}

func (r *reader) flush() {
	if r.held.any {
		r.held.batch.Flush()
		r.held.any = false
	}
}

// passBy comes before a packet that does not go to the Batch. TCP overtakes what
// is held: they are different flows.
func (r *reader) passBy() {
	if r.pkt.proto != protoTCP || r.pkt.fragment {
		r.flush()
	}
}

// settle comes after each packet.
func (r *reader) settle() {
	if r.held.passed++; !r.held.idler || r.held.passed > maxPassed {
		r.flush()
	}
}

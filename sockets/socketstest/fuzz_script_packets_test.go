package socketstest_test

import (
	"net"
	"strconv"
	"time"
)

func (s *player) free(slot byte) (int, bool) {
	i := int(slot) % len(s.packets)
	return i, s.packets[i] == nil || s.packets[i].closed
}

func (s *player) packetConn(slot, _, _ byte) {
	i, free := s.free(slot)
	if !free {
		return
	}
	p, err := s.p.Server.ListenPacket(s.t.Context(), "udp", s.join(0))
	s.add("listen", "packets", "", 0, "", err)
	if err == nil {
		s.all = append(s.all, p)
		s.packets[i] = &scriptPacket{PacketConn: p, name: "packets " + strconv.Itoa(i)}
	}
}

// dialPackets connects to the packets of another slot, which may be closed.
func (s *player) dialPackets(slot, other, _ byte) {
	i, free := s.free(slot)
	to := s.packets[int(other)%len(s.packets)]
	if !free || to == nil || to.peer != nil {
		return
	}
	c, err := s.p.Client.DialContext(s.t.Context(), "udp", to.LocalAddr().String())
	s.add("dial", "packets", "", 0, "", err)
	if err == nil {
		s.all = append(s.all, c)
		s.packets[i] = &scriptPacket{PacketConn: c.(net.PacketConn), conn: c, name: "packets " + strconv.Itoa(i), peer: to}
	}
}

// writeTo writes to another slot's, or a connected one to its peer, which must not be.
func (s *player) writeTo(slot, other, size byte) {
	p, to := s.packets[int(slot)%len(s.packets)], s.packets[int(other)%len(s.packets)]
	if p == nil || to == nil || to.busy(p) || p == to || p.peer == nil && to.closed {
		return // a dead peer of an unconnected socket: nothing comes, on any
	}
	n := datagramSizes[int(size)%len(datagramSizes)]
	data := s.payload(n)
	m, err := p.WriteTo([]byte(data), to.LocalAddr())
	s.add("writeTo", p.name, p.state(), m, "", err)
	if err == nil {
		to.heard(data, p)
	}
}

var datagramSizes = []int{0, 1, 20, 1000, 1400, 70_000}

// busy is whether p should not send to it now: datagrams of two sources have no order.
func (to *scriptPacket) busy(p *scriptPacket) bool {
	return len(to.incoming) > 5 || len(to.incoming) > 0 && to.incoming[0].from != p
}

// heard is a datagram more, if to hears p.
func (to *scriptPacket) heard(data string, p *scriptPacket) {
	if !to.closed && (to.peer == nil || to.peer == p) {
		to.incoming = append(to.incoming, scriptDatagram{data, p})
	}
}

// send is Write. To a peer that is closed, it is answered: by an error of Read.
func (s *player) send(slot, size, _ byte) {
	p := s.packets[int(slot)%len(s.packets)]
	if p == nil {
		return
	}
	w, ok := p.PacketConn.(net.Conn)
	if !ok || p.peer != nil && p.peer.busy(p) {
		return
	}
	n := datagramSizes[int(size)%len(datagramSizes)]
	data := s.payload(n)
	m, err := w.Write([]byte(data))
	s.add("send", p.name, p.state(), m, "", err)
	switch {
	case err != nil || p.peer == nil:
	case !p.peer.closed:
		p.peer.heard(data, p)
	case len(p.incoming) > 0: // the error may come before or after what is queued
		p.closed = true
		p.Close()
	default:
		p.SetReadDeadline(long())
		n, err := w.Read(make([]byte, 10))
		s.add("receive", p.name, "refused", n, "", err)
		p.limit()
	}
}

func (p *scriptPacket) state() string {
	switch {
	case p.closed:
		return "closed"
	case p.peer != nil:
		return "connected"
	}
	return ""
}

// limit is the deadline that the script has set.
func (p *scriptPacket) limit() {
	at := time.Time{}
	if p.past {
		at = time.Unix(1, 0)
	}
	p.SetReadDeadline(at)
}

// receive reads a datagram, or finds that there is none.
func (s *player) receive(slot, size, arg byte) {
	p := s.packets[int(slot)%len(s.packets)]
	if p == nil {
		return
	}
	b := make([]byte, []int{0, 1, 10, 1000, 2000}[size%5])
	if len(b) == 0 && arg%2 == 0 { // Read of nothing
		b = make([]byte, 5)
	}
	comes := len(p.incoming) > 0 && !p.closed && !p.past
	if comes {
		p.SetReadDeadline(long())
	} else if !p.closed {
		p.SetReadDeadline(time.Unix(1, 0))
	}
	n, from, err := p.ReadFrom(b)
	who := ""
	if comes {
		want := p.incoming[0].from.LocalAddr().(*net.UDPAddr)
		a, ok := from.(*net.UDPAddr)
		who = "not from whom it was sent"
		if ok && a.Port == want.Port {
			who = "from " + p.incoming[0].from.name
		}
		p.incoming = p.incoming[1:]
	}
	s.add("receive", p.name, p.state(), n, string(b[:min(n, 10)])+" "+who, err)
	if !p.closed {
		p.limit()
	}
}

func (s *player) closePackets(slot, _, arg byte) {
	p := s.packets[int(slot)%len(s.packets)]
	if p == nil || arg%2 == 0 && !p.closed {
		return
	}
	s.add("close", p.name, p.state(), 0, "", p.Close())
	p.closed = true
	p.incoming = nil
}

func (s *player) packetDeadline(slot, _, arg byte) {
	p := s.packets[int(slot)%len(s.packets)]
	if p == nil {
		return
	}
	p.past = arg%2 == 0
	at := time.Time{}
	if p.past {
		at = time.Unix(1, 0)
	}
	s.add("deadline", p.name, p.state(), 0, "", p.SetReadDeadline(at))
}

package dns

import (
	"bytes"
	"container/list"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// mostLife bounds how long anything is kept (RFC 2308, 5 has one to three hours).
const mostLife = time.Hour

// entryCost is what an entry takes beside its bytes, about.
const entryCost = 256

// cache keeps answers while they live. Safe for concurrent use.
type cache struct {
	max     int // bytes; 0 and less keep nothing
	evicted *atomic.Uint64

	mu    sync.Mutex
	byKey map[key]*list.Element // of *entry
	used  list.List             // the latest first
	size  int
}

type entry struct {
	key   key
	msg   []byte
	from  time.Time
	until time.Time
}

func (e *entry) cost() int { return entryCost + len(e.msg) + len(e.key.question) }

func newCache(max int, evicted *atomic.Uint64) *cache {
	return &cache{max: max, evicted: evicted, byKey: make(map[key]*list.Element)}
}

// get is a copy with its TTLs counted down, nil if there is none.
func (c *cache) get(k key, now time.Time) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.byKey[k]
	if at == nil {
		return nil
	}
	e := at.Value.(*entry)
	if !now.Before(e.until) || now.Before(e.from) {
		c.remove(at)
		return nil
	}
	c.used.MoveToFront(at)
	msg := append([]byte(nil), e.msg...)
	age(msg, uint32(now.Sub(e.from)/time.Second))
	return msg
}

// put keeps a copy of msg as long as it lives: the message itself may stand in more
// than it has, of which nobody would know.
func (c *cache) put(k key, msg []byte, now time.Time) {
	life := min(lifeOf(msg, k), mostLife)
	e := &entry{k, msg, now, now.Add(life)}
	if life <= 0 || e.cost() > c.max {
		return
	}
	e.msg = bytes.Clone(msg)
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.byKey[k]; at != nil {
		c.remove(at)
	}
	c.byKey[k] = c.used.PushFront(e)
	c.size += e.cost()
	for c.size > c.max {
		c.remove(c.used.Back())
		c.evicted.Add(1)
	}
}

func (c *cache) remove(at *list.Element) {
	e := c.used.Remove(at).(*entry)
	delete(c.byKey, e.key)
	c.size -= e.cost()
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byKey)
	c.used.Init()
	c.size = 0
}

// bytes is how much is kept.
func (c *cache) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// lifeOf is how long an answer may be kept: the least TTL, and for one that says
// that there is nothing what the SOA says (RFC 2308, 5). 0: not at all.
func lifeOf(msg []byte, k key) time.Duration {
	code := rcode(msg)
	if flags(msg)&flagTC != 0 || code != dnsmessage.RCodeSuccess && code != dnsmessage.RCodeNameError {
		return 0
	}
	asked := dnsmessage.Type(binary.BigEndian.Uint16([]byte(k.question[len(k.question)-4:])))
	there, soa, least := false, false, uint32(mostLife/time.Second)
	for r, err := range records(msg) {
		if err != nil {
			return 0
		}
		if r.section == 1 && (r.typ == asked || asked == dnsmessage.TypeALL) {
			there = true
		}
		if d := r.data(msg); r.section == 2 && r.typ == dnsmessage.TypeSOA && len(d) >= 4 {
			soa = true
			if !there { // its last field is how long there is nothing
				least = min(least, binary.BigEndian.Uint32(d[len(d)-4:]))
			}
		}
		least = min(least, r.ttl(msg))
	}
	if !there && !soa {
		return 0
	}
	return time.Duration(least) * time.Second
}

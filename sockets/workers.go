package sockets

import (
	"sync"
	"sync/atomic"
)

// A job is work that a Wake found for a socket that nobody waits for in a
// goroutine of his own: serving overlapped operations, looking for network
// events. It is in at most one queue at a time; what comes up while it runs makes
// it run again.
type job struct {
	k      *sock
	run    func()
	own    bool // runs on the session's workers alone, as the application's code is called
	next   *job
	queued atomic.Bool
}

// schedule may be called from a Wake: it takes leaf locks only. A goroutine that
// waits for a completion port of the socket runs the job, and finds the record
// that comes of it in its hands; else a worker does.
func (j *job) schedule() {
	if !j.queued.CompareAndSwap(false, true) {
		return
	}
	if w := j.k.winsock; w != nil && !j.own {
		if p := w.port.Load(); p != nil && p.port.lend(j) {
			return
		}
	}
	j.k.owner().workers.push(j)
}

// do runs the job. What is scheduled from now on runs it once more.
func (j *job) do() {
	j.queued.Store(false)
	j.run()
}

// workers run jobs: at most max at a time, none while there is nothing to do.
type workers struct {
	mu          sync.Mutex
	first, last *job
	running     int
	max         int
	idle        sync.Cond // running is 0 and the queue is empty
	body        func()    // run, made once: starting a goroutine with a method value allocates
}

func (w *workers) init(n int) {
	w.max = n
	w.idle.L = &w.mu
	w.body = w.run
}

func (w *workers) push(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j.next = nil
	if w.last == nil {
		w.first = j
	} else {
		w.last.next = j
	}
	w.last = j
	if w.running < w.max {
		w.running++
		go w.body()
	}
}

func (w *workers) run() {
	for {
		j := w.pop()
		if j == nil {
			return
		}
		j.do()
	}
}

func (w *workers) pop() *job {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := w.first
	if j == nil {
		if w.running--; w.running == 0 {
			w.idle.Broadcast()
		}
		return nil
	}
	if w.first = j.next; w.first == nil {
		w.last = nil
	}
	j.next = nil
	return j
}

// wait returns when nothing runs and nothing is queued.
func (w *workers) wait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.running > 0 {
		w.idle.Wait()
	}
}

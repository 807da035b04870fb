package gateway

import (
	"sync"
	"sync/atomic"
	"testing"
)

// A task never runs twice at a time, and runs after every wake.
func TestLoops(t *testing.T) {
	l := newLoops()
	const tasks, wakes = 50, 2000
	var all [tasks]struct {
		task
		in   atomic.Int32
		work atomic.Int64 // put there by wakes
		done int64        // the task's own
	}
	for i := range all {
		w := &all[i]
		w.loops = l
		w.turn = func() bool {
			if w.in.Add(1) != 1 {
				t.Error("a task runs twice at a time")
			}
			defer w.in.Add(-1)
			if w.done < w.work.Load() {
				w.done++
			}
			return w.done < w.work.Load()
		}
	}
	var wakers sync.WaitGroup
	for range 4 {
		wakers.Go(func() {
			for i := range wakes {
				w := &all[i%tasks]
				w.work.Add(1)
				w.wake()
			}
		})
	}
	wakers.Wait()
	done := make(chan struct{})
	last := task{loops: l}
	last.turn = func() bool {
		for i := range all {
			if all[i].state.Load() != resting {
				return true
			}
		}
		close(done)
		return false
	}
	last.wake()
	<-done
	l.close()
	for i := range all {
		if all[i].done != 4*wakes/tasks {
			t.Errorf("task %d did %d of %d", i, all[i].done, 4*wakes/tasks)
		}
	}
	last.wake()
	l.close()
}

// Who has more to do waits until the others had their turn.
func TestLoopsAreFair(t *testing.T) {
	l := newLoops()
	defer l.close()
	stop := make(chan struct{})
	hog := task{loops: l}
	hog.turn = func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	var hogs [8]task
	for i := range hogs {
		hogs[i].loops, hogs[i].turn = l, hog.turn
		hogs[i].wake()
	}
	ran := make(chan struct{})
	small := task{loops: l}
	small.turn = func() bool { close(ran); return false }
	small.wake()
	<-ran
	close(stop)
}

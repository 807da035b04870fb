// Package latest holds one value that changes, for any number of goroutines that follow it.
package latest

import "sync"

// Value is a T and the news that it changed. Make it with New.
type Value[T comparable] struct {
	mu      sync.Mutex
	v       T
	changed chan struct{} // closed and replaced at each change
}

// New returns a Value holding v.
func New[T comparable](v T) *Value[T] {
	return &Value[T]{v: v, changed: make(chan struct{})}
}

// Get returns the value and a channel that is closed when it is no longer the value.
func (l *Value[T]) Get() (T, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.v, l.changed
}

// Update lets f edit the value, under the lock, and tells followers if it did.
func (l *Value[T]) Update(f func(*T)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.v
	if f(&l.v); l.v != old {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

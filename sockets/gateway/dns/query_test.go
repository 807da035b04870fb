package dns

import (
	"runtime"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Somebody who asks very many questions at once makes us keep none of them.
func TestManyQuestions(t *testing.T) {
	b := make([]byte, headerLen, 1<<16-1)
	for len(b)+5 <= cap(b) {
		b = append(b, 0, 0, 1, 0, 1) // the root's address
	}
	setWord(b, 4, (len(b)-headerLen)/5)
	if _, code := ParseQuery(b); code != dnsmessage.RCodeFormatError {
		t.Fatalf("%d questions: %v", word(b, 4), code)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ParseQuery(b)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("%d questions take %d bytes to refuse", word(b, 4), n)
	}
}

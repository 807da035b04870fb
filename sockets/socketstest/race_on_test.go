//go:build race

package socketstest_test

const raceEnabled = true

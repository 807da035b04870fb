//go:build race

package storey_test

const raceEnabled = true

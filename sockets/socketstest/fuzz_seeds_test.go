package socketstest_test

// programs are those that are written by hand.
var programs = []struct {
	name string
	code program
}{
	{"nothing", program{}},
}

// Package numbers measures what we publish and prints it as one table.
//
//	measurements (rows_test.go)
//	     | each runs real processes, n rounds, against ours and, where it can, a peer
//	     v
//	samples ---> Row: n, p50, max, what is to be reached, verdict ---> Render, stdout
//
// `make bench` runs all; each row ends with the command that measures it alone.
// Nothing is asserted: a number that falls short is a row that says SHORT. A run
// fails only when a measurement could not be made.
//
// The peer (PEER=/path/to/binary) is any program with the same API and agent
// configuration. It is measured by the same code, right after ours.
package numbers

package jobspec

import _ "embed"

//go:embed example/short.nomad.hcl
var exampleShort []byte

//go:embed example/long.nomad.hcl
var exampleLong []byte

//go:embed example/connect_short.nomad.hcl
var exampleConnectShort []byte

//go:embed example/connect_long.nomad.hcl
var exampleConnectLong []byte

// Example is a job file to begin with. It runs, as it is, the small web server
// that the selfheal binary carries; the long form explains every line.
func Example(short bool) []byte {
	if short {
		return append([]byte(nil), exampleShort...)
	}
	return append([]byte(nil), exampleLong...)
}

// ExampleConnect is a job file of two services in a mesh, in two lengths. This version
// reads connect and prints it, and refuses to run it.
func ExampleConnect(short bool) []byte {
	if short {
		return append([]byte(nil), exampleConnectShort...)
	}
	return append([]byte(nil), exampleConnectLong...)
}

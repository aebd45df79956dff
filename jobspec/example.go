package jobspec

import _ "embed"

//go:embed example/short.nomad.hcl
var exampleShort []byte

//go:embed example/long.nomad.hcl
var exampleLong []byte

// Example is a job file to begin with. It runs, as it is, the small web server
// that the selfheal binary carries; the long form explains every line.
func Example(short bool) []byte {
	if short {
		return append([]byte(nil), exampleShort...)
	}
	return append([]byte(nil), exampleLong...)
}

// Package rules holds the house rules as tests: who may import whom, what must
// stay pure, what must be documented, and how large things may get. They read
// the source; they need no tag and run with `make test`.
package rules

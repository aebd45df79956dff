// Package jobspec reads job files: HCL2 (or JSON) text in, a Nomad API job out.
//
//	             variables, -var, -var-file, NOMAD_VAR_*
//	                            |
//	text --> syntax --> names --+--> evaluate --> decode --> *api.Job
//	                      |                                     |
//	          ${NOMAD_*}, ${attr.*} ...                   Canonicalize: every default
//	          stay as text for the node                         |
//	                                                      Validate: all problems at once
//
// Every stage reports to one list of [Diagnostics] that carry file, line and
// column, so that a user sees all mistakes of a file in one go.
//
// The package is pure. It reads no clock, starts no goroutine and opens no
// file except through [Input.Files]; servers leave that nil. The only sources
// of chance are the functions uuidv4() and bcrypt(), which job files may call.
//
// What a job file may say is what the hcl tags of the nomad/api types say, and the
// blocks of our own in blocks.go. All of it is carried by Parse; what this version
// does not act on is in the table of gaps.go, and Validate refuses it by name: a
// field is never accepted silently.
package jobspec

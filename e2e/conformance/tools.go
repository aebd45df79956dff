// Package conformance pins the API module whose own tests are run against our
// binary; see the script run.
package conformance

import _ "github.com/hashicorp/nomad/api" // the suite

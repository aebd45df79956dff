package conformance

import _ "github.com/shoenig/test" // the suite's assertions

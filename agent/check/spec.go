package check

import (
	"time"
)

// Types of checks.
const (
	HTTP = "http" // an HTTP request; 2xx and 3xx pass, 429 is a warning, the rest fails
	TCP  = "tcp"  // a connection that is accepted passes
)

// Status is what is known of a check.
type Status string

// The statuses. Warning is an HTTP 429, or fewer failures than make it critical.
const (
	Pending Status = "pending" // no run has said anything yet
	Success Status = "success"
	Warning Status = "warning"
	Failure Status = "failure"
)

// Spec is one check. Two equal Specs are the same check.
type Spec struct {
	ID   string // unique on the node; also spreads the checks over time
	Type string // HTTP, TCP
	Addr string // host:port

	Scheme string // of HTTP: "http" or "https"; "" is http
	Method string // "" is GET
	Path   string // with its query; "" is /
	Header map[string][]string
	Body   string

	TLSServerName string // checked against the certificate; "" is the host of Addr
	TLSSkipVerify bool   // any certificate will do

	Interval time.Duration // from start to start
	Timeout  time.Duration // of one run

	// Initial is the status before the first run; "" is Pending.
	Initial Status
	// SuccessBeforePassing is how many runs in a row must pass before the check does;
	// 0 is 1.
	SuccessBeforePassing int
	// FailuresBeforeCritical is how many runs in a row must fail before the check does;
	// 0 is 1.
	FailuresBeforeCritical int
	// FailuresBeforeWarning is how many failed runs in a row make a warning, where that
	// is fewer; 0: none do.
	FailuresBeforeWarning int
}

// Result is what is known of one check now.
type Result struct {
	ID     string
	Status Status
	Since  time.Time // when Status began
	// BadSince is when the check last stopped passing, or first did not pass: zero while
	// it is Pending or Success.
	BadSince time.Time

	At     time.Time // of the latest run, zero before the first
	Output string    // what the latest run found, at most MaxOutput bytes
	Code   int       // HTTP status of the latest run, 0 without an answer
	Runs   []Run     // the latest, at most KeepRuns, oldest first
}

// Run is one run of a check.
type Run struct {
	At   time.Time     // when it began
	Took time.Duration // until the answer, or until it was given up
	OK   bool          // the answer was a good one
}

const (
	// MaxOutput bounds what is kept of an answer, in bytes.
	MaxOutput = 1024
	// KeepRuns is how many runs are kept: 5 minutes of an interval of 10 s.
	KeepRuns = 32
)

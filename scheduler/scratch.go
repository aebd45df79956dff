package scheduler

// scratch is working space that decisions reuse, so that one costs no allocation per
// node. Between decisions everything in it is zero or meaningless.
type scratch struct{}

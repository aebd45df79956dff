// Package e2e tests real processes: agents of the built binary, kill -9, cut
// cables. Build tag e2e; `make e2e`.
package e2e

// Selfheal notices what is broken in a cluster, or about to break, and makes it whole.
//
// One binary is everything: the agent of every node, the supervisor of every
// task, and the command line. What it does is decided by its first argument.
package main

import (
	"os"

	"github.com/selfheal/selfheal/command"
)

func main() {
	os.Exit(command.Main(os.Args))
}

package command

import (
	"runtime"
	"strings"
)

// Version is the version of this program.
const Version = "0.1.0-dev"

// Commit is what it was built from; the linker sets it (-X).
var Commit string

// versionText is the answer to `selfheal version`.
func versionText() string {
	lines := []string{"Selfheal v" + Version}
	if Commit != "" {
		lines = append(lines, "Revision "+Commit)
	}
	return strings.Join(append(lines, runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH), "\n")
}

func versionVerb() verb {
	return verb{
		short: "Print the version",
		local: true,
		run: func(s *session, args []string) error {
			s.printf("%s\n", versionText())
			return nil
		},
	}
}

package command

import (
	"errors"
	"os/exec"
	"runtime"
)

// openers are the programs that show a URL, by operating system.
var openers = map[string][]string{
	"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"},
	"linux": {"xdg-open"}, "freebsd": {"xdg-open"},
}

// openBrowser shows a URL to whoever sits at this machine.
func openBrowser(url string) error {
	words := openers[runtime.GOOS]
	if len(words) == 0 {
		return errors.New("no way to open a browser is known here")
	}
	c := exec.Command(words[0], append(words[1:], url)...)
	if err := c.Start(); err != nil {
		return err
	}
	go func() { _ = c.Wait() }() // it opens the page and ends, or ends with us
	return nil
}

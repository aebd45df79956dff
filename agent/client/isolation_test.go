package client

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/selfheal/selfheal/agent/driver"
)

// A task that ended must not take the directory away in which the next one starts:
// a group with a prestart task would then fail now and then.
func TestForgetHandleLeavesTheOthersTheirDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "alloc")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	first, next := filepath.Join(dir, "init"), filepath.Join(dir, "web")
	if err := rememberHandle(first, driver.Handle{}); err != nil {
		t.Fatal(err)
	}
	forgetHandle(first) // between the next task's mkdir and its first file
	if err := rememberHandle(next, driver.Handle{}); err != nil {
		t.Errorf("the next task cannot start: %v", err)
	}
}

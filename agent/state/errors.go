package state

import "fmt"

// ErrNotFound answers a command about a row that does not exist; HTTP 404.
// Kind is the noun as users read it ("job", "node", "allocation").
type ErrNotFound struct{ Kind, ID string }

// Error reads like "job not found".
func (e ErrNotFound) Error() string { return e.Kind + " not found" }

// ErrConflict refuses a command that the present state does not allow, though it
// might be right at another time; HTTP 409.
type ErrConflict struct{ Text string }

// Error is the text for the user.
func (e ErrConflict) Error() string { return e.Text }

// ErrInvalid refuses a command that is wrong by itself; HTTP 400.
type ErrInvalid struct{ Text string }

// Error is the text for the user.
func (e ErrInvalid) Error() string { return e.Text }

// ErrPermission refuses a command whose identity does not match; HTTP 403.
type ErrPermission struct{ Text string }

// Error is the text for the user.
func (e ErrPermission) Error() string { return e.Text }

func conflictf(format string, args ...any) error { return ErrConflict{fmt.Sprintf(format, args...)} }

func invalidf(format string, args ...any) error { return ErrInvalid{fmt.Sprintf(format, args...)} }

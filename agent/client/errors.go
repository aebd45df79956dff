package client

import (
	"fmt"
	"net/http"
)

// Error is a refusal whose kind matters to the API: it knows its HTTP status.
type Error struct {
	Code int
	Text string
}

// Error is the text that the user reads.
func (e *Error) Error() string { return e.Text }

// HTTPStatus is the status that the API answers with.
func (e *Error) HTTPStatus() int { return e.Code }

func unknownAlloc(id string) error {
	return &Error{http.StatusNotFound, fmt.Sprintf("Unknown allocation %q", id)}
}

func unknownTask(id, task string) error {
	return &Error{http.StatusNotFound, fmt.Sprintf("unknown task name %q in allocation %q", task, id)}
}

func notRunning(what string) error {
	return &Error{http.StatusBadRequest, what + " not running"}
}

func badRequest(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &Error{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &Error{http.StatusForbidden, fmt.Sprintf(format, args...)}
}

func unknownDriver(name string) error {
	return fmt.Errorf("this agent has no driver %q", name)
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/selfheal/selfheal/agent/state"
)

// Error is an answer other than success: a status and the text that the user reads.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return e.Text }

// HTTPStatus makes Error a StatusError.
func (e *Error) HTTPStatus() int { return e.Code }

// Answers that many handlers give.
var (
	errNoLeader   = &Error{http.StatusInternalServerError, "No cluster leader"}
	errEnterprise = &Error{http.StatusNotImplemented, "Nomad Enterprise only endpoint"}
	errNotServer  = &Error{http.StatusNotImplemented, "this agent is not a server, and knows none"}
	errNotClient  = &Error{http.StatusNotImplemented, "this agent does not run a client"}
	errBadMethod  = &Error{http.StatusMethodNotAllowed, "Invalid method"}
	errEmptyBody  = &Error{http.StatusBadRequest, "Request body is empty"}

	errJobNotFound        = &Error{http.StatusNotFound, "job not found"}
	errNodeNotFound       = &Error{http.StatusNotFound, "node not found"}
	errAllocNotFound      = &Error{http.StatusNotFound, "alloc not found"}
	errDeploymentNotFound = &Error{http.StatusNotFound, "deployment not found"}
)

// badRequest is a 400 whose text says what to change.
func badRequest(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// notFound is a 404 of the named thing.
func notFound(format string, args ...any) error {
	return &Error{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

// notYet answers routes that this version does not have.
func notYet(what string) error {
	return &Error{http.StatusNotImplemented, what + ": not supported by this version yet"}
}

// answer maps an error to its HTTP status and text. It is the only place where
// this is decided.
func answer(err error) (code int, text string) {
	var status StatusError
	var missing state.ErrNotFound
	var conflict state.ErrConflict
	var invalid state.ErrInvalid
	var denied state.ErrPermission
	switch {
	case errors.As(err, &status):
		return status.HTTPStatus(), err.Error()
	case errors.As(err, &missing):
		return http.StatusNotFound, missing.Error()
	case errors.As(err, &conflict):
		return http.StatusConflict, conflict.Error()
	case errors.As(err, &invalid):
		return http.StatusBadRequest, invalid.Error()
	case errors.As(err, &denied):
		return http.StatusForbidden, denied.Error()
	case errors.Is(err, ErrNotLeader):
		return errNoLeader.Code, errNoLeader.Text
	case errors.Is(err, context.Canceled):
		return 499, "the client went away"
	}
	return http.StatusInternalServerError, err.Error()
}

// isMissing reports whether the state machine refused a command because its row does not exist.
func isMissing(err error) bool {
	var missing state.ErrNotFound
	return errors.As(err, &missing)
}

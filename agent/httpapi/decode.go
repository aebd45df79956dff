package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// body reads the whole request body, within the limit, and holds it: a request may
// be handled here, or forwarded, more than once.
func (r *request) body(limits Limits) ([]byte, error) {
	if r.held != nil || r.Body == nil {
		return r.held, nil
	}
	// What cannot set a deadline is not a network connection.
	patience := http.NewResponseController(r.w)
	_ = patience.SetReadDeadline(time.Now().Add(limits.BodyWait))
	b, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, limits.MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &Error{http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body is larger than %d bytes", limits.MaxBody)}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.w.Header().Set("Connection", "close")
		return nil, &Error{http.StatusRequestTimeout, fmt.Sprintf("Request body did not arrive within %s", limits.BodyWait)}
	}
	if err != nil {
		return nil, badRequest("read request body: %v", err)
	}
	_ = patience.SetReadDeadline(time.Time{})
	r.held = b
	return b, nil
}

// decode reads a JSON body into out. Its errors are 400s that say where and what.
// A body that is null is an empty one; some types of the API cannot read it.
func (a *API) decode(r *request, out any) error {
	b, err := r.body(a.cfg.Limits)
	if err != nil {
		return err
	}
	if b = bytes.TrimSpace(b); len(b) == 0 || string(b) == "null" {
		return errEmptyBody
	}
	return decodeJSON(r.held, out)
}

// decodeOptional is decode, but an empty body leaves out as it is.
func (a *API) decodeOptional(r *request, out any) error {
	if err := a.decode(r, out); err != errEmptyBody {
		return err
	}
	return nil
}

func decodeJSON(b []byte, out any) error {
	err := json.Unmarshal(b, out)
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		line, col := position(b, syntax.Offset)
		return badRequest("decode request body: line %d, column %d: %v", line, col, syntax)
	case errors.As(err, &mismatch):
		line, col := position(b, mismatch.Offset)
		field := mismatch.Field
		if field == "" {
			field = "the body"
		}
		return badRequest("decode request body: line %d, column %d: %s must be %s, not %s",
			line, col, field, jsonType(mismatch.Type.String()), mismatch.Value)
	}
	return badRequest("decode request body: %v", err)
}

// position turns a byte offset into a line and a column, both from 1.
func position(b []byte, offset int64) (line, col int) {
	b = b[:max(0, min(int(offset), len(b)))]
	line = bytes.Count(b, []byte{'\n'}) + 1
	return line, max(1, len(b)-bytes.LastIndexByte(b, '\n')-1)
}

// jsonType says in the words of JSON what a Go type is read from.
func jsonType(goType string) string {
	for _, t := range []struct{ prefix, name string }{
		{"*", ""}, {"[]", "an array"}, {"map[", "an object"}, {"api.", "an object"},
		{"int", "an integer"}, {"uint", "an integer of 0 or more"}, {"float", "a number"},
		{"string", "a string"}, {"bool", "a boolean"}, {"time.Duration", "an integer (nanoseconds)"},
	} {
		if len(goType) >= len(t.prefix) && goType[:len(t.prefix)] == t.prefix {
			if t.prefix == "*" {
				return jsonType(goType[1:])
			}
			return t.name
		}
	}
	return "an object"
}

package httpapi

import (
	"errors"
	"reflect"
	"strings"

	"github.com/hashicorp/go-bexpr"
	"github.com/mitchellh/pointerstructure"
)

// maxFilter bounds a filter expression in bytes, and maxTerms its comparisons:
// the parser is recursive, and every row of a table is tried.
const (
	maxFilter = 8 << 10
	maxTerms  = 256
)

// filterText precedes every error of a filter, as clients of this API know it.
const filterText = "failed to create result paginator: failed to read filter expression: "

// newFilter compiles ?filter= to a predicate over rows; without one all rows pass.
// Field names are those of the API's structs.
func newFilter(expression string) (func(row any) (bool, error), error) {
	if expression == "" {
		return func(any) (bool, error) { return true, nil }, nil
	}
	if len(expression) > maxFilter {
		return nil, badRequest("%sthe expression is longer than %d bytes", filterText, maxFilter)
	}
	eval, err := bexpr.CreateEvaluator(expression, bexpr.WithMaxExpressions(maxTerms*16), bexpr.WithHookFn(zeroForNil))
	if err != nil {
		return nil, badRequest("%s%v", filterText, err)
	}
	return func(row any) (bool, error) {
		ok, err := eval.Evaluate(row)
		switch {
		case err == nil:
			return ok, nil
		case errors.Is(err, pointerstructure.ErrNotFound) && !strings.Contains(err.Error(), "struct field"):
			return false, nil // a map of this row lacks the key: that is no match
		}
		return false, badRequest("%s%v", filterText, err)
	}, nil
}

// zeroForNil lets an expression compare a field that is not set: a nil pointer
// reads as the zero value of what it points to.
func zeroForNil(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return reflect.Zero(v.Type().Elem())
	}
	return v
}

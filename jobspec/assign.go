package jobspec

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

var durationType = reflect.TypeFor[time.Duration]()

// assign stores a value in a field of an api struct. Null leaves the field as it
// is. So does an unknown value: it is the echo of an error reported before.
func assign(f reflect.Value, val cty.Value) error {
	if !val.IsKnown() || val.IsNull() {
		return nil
	}
	if f.Type() == durationType {
		return assignDuration(f, val)
	}
	switch f.Kind() {
	case reflect.Pointer:
		target := reflect.New(f.Type().Elem())
		if err := assign(target.Elem(), val); err != nil {
			return err
		}
		f.Set(target)
		return nil
	case reflect.String:
		return assignString(f, val)
	case reflect.Bool:
		b, err := convert.Convert(val, cty.Bool)
		if err != nil {
			return errors.New("true or false expected")
		}
		f.SetBool(b.True())
		return nil
	case reflect.Slice:
		return assignList(f, val)
	case reflect.Map:
		return assignMap(f, val)
	case reflect.Interface:
		if !jsonNumbers(val) {
			return errors.New("a number is out of range")
		}
		if val.IsWhollyKnown() {
			f.Set(reflect.ValueOf(goValue(val)))
		}
		return nil
	default:
		return assignNumber(f, val)
	}
}

// assignDuration reads "30s". A number is nanoseconds, as in the JSON of the API.
func assignDuration(f reflect.Value, val cty.Value) error {
	if val.Type() == cty.Number {
		return assignNumber(f, val)
	}
	if val.Type() != cty.String {
		return errors.New(`a duration such as "30s" expected`)
	}
	parsed, err := time.ParseDuration(val.AsString())
	if err != nil {
		return fmt.Errorf(`%q is not a duration: write a number and a unit, such as "30s", "5m" or "1h30m"`, val.AsString())
	}
	f.SetInt(int64(parsed))
	return nil
}

func assignString(f reflect.Value, val cty.Value) error {
	s, err := convert.Convert(val, cty.String)
	if err != nil {
		return fmt.Errorf("a string expected, not %s", val.Type().FriendlyName())
	}
	f.SetString(s.AsString())
	return nil
}

func assignNumber(f reflect.Value, val cty.Value) error {
	n, err := convert.Convert(val, cty.Number)
	if err != nil {
		return fmt.Errorf("a number expected, not %s", val.Type().FriendlyName())
	}
	whole, accuracy := n.AsBigFloat().Int(nil)
	if whole == nil || accuracy != big.Exact {
		return errors.New("a whole number expected")
	}
	switch {
	case f.CanInt():
		if whole.IsInt64() && !f.OverflowInt(whole.Int64()) {
			f.SetInt(whole.Int64())
			return nil
		}
	case f.CanUint():
		if whole.IsUint64() && !f.OverflowUint(whole.Uint64()) {
			f.SetUint(whole.Uint64())
			return nil
		}
	default:
		panic("jobspec: no way to store a value in " + f.Type().String())
	}
	// The limits of the Go type would mislead: Validate knows the real ones.
	return fmt.Errorf("%s is out of range", n.AsBigFloat().Text('g', 12))
}

func assignList(f reflect.Value, val cty.Value) error {
	if !isSequence(val) {
		return fmt.Errorf("a list expected, not %s: write [ ... ]", val.Type().FriendlyName())
	}
	list := reflect.MakeSlice(f.Type(), 0, val.LengthInt())
	for it := val.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		if elem.IsKnown() && elem.IsNull() {
			return errors.New("a list cannot hold null here")
		}
		item := reflect.New(f.Type().Elem()).Elem()
		if err := assign(item, elem); err != nil {
			return fmt.Errorf("element %d: %w", list.Len(), err)
		}
		list = reflect.Append(list, item)
	}
	f.Set(list)
	return nil
}

func assignMap(f reflect.Value, val cty.Value) error {
	if t := val.Type(); !t.IsObjectType() && !t.IsMapType() {
		return fmt.Errorf("a map expected, not %s: write { key = value }", t.FriendlyName())
	}
	if f.IsNil() {
		f.Set(reflect.MakeMap(f.Type()))
	}
	for it := val.ElementIterator(); it.Next(); {
		key, elem := it.Element()
		if elem.IsKnown() && elem.IsNull() {
			continue
		}
		item := reflect.New(f.Type().Elem()).Elem()
		if err := assign(item, elem); err != nil {
			return fmt.Errorf("%s: %w", key.AsString(), err)
		}
		f.SetMapIndex(reflect.ValueOf(key.AsString()), item)
	}
	return nil
}

func isSequence(val cty.Value) bool {
	t := val.Type()
	return t.IsTupleType() || t.IsListType() || t.IsSetType()
}

// goValue is a wholly known value as encoding/json would have read it, except
// that whole numbers are int64 where they fit.
func goValue(val cty.Value) any {
	switch t := val.Type(); {
	case val.IsNull():
		return nil
	case t == cty.String:
		return val.AsString()
	case t == cty.Bool:
		return val.True()
	case t == cty.Number:
		n := val.AsBigFloat()
		if whole, accuracy := n.Int64(); accuracy == big.Exact {
			return whole
		}
		float, _ := n.Float64()
		return float
	case isSequence(val):
		out := make([]any, 0, val.LengthInt())
		for it := val.ElementIterator(); it.Next(); {
			_, elem := it.Element()
			out = append(out, goValue(elem))
		}
		return out
	case t.IsObjectType() || t.IsMapType():
		out := map[string]any{}
		for it := val.ElementIterator(); it.Next(); {
			key, elem := it.Element()
			out[key.AsString()] = goValue(elem)
		}
		return out
	}
	return nil // capsule types: no function of a job file returns one
}

// jsonNumbers reports whether JSON can carry every number in a wholly known value.
func jsonNumbers(val cty.Value) bool {
	ok := true
	_ = cty.Walk(val, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && !v.IsNull() {
			float, _ := v.AsBigFloat().Float64()
			ok = ok && !math.IsInf(float, 0)
		}
		return ok, nil
	})
	return ok
}

// printable is a field's value for a message, pointers followed.
func printable(f reflect.Value) string {
	for f.Kind() == reflect.Pointer && !f.IsNil() {
		f = f.Elem()
	}
	return fmt.Sprint(f.Interface())
}

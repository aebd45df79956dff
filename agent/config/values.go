package config

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Bytes is a size. A file gives a number of bytes or text such as "1M", "100GB", "64KiB":
// K, M, G, T are powers of 1000, Ki, Mi, Gi, Ti of 1024.
type Bytes int64

// asText reads a scalar as text; numbers and booleans are written out, since older HCL
// and JSON writers quote at will.
func asText(v cty.Value) (string, error) {
	if v.IsNull() || !v.IsKnown() {
		return "", errors.New("wants text")
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), nil
	case cty.Bool:
		return strconv.FormatBool(v.True()), nil
	case cty.Number:
		// A huge exponent would be written out digit by digit.
		if f := v.AsBigFloat(); f.Sign() == 0 || (!f.IsInf() && f.MantExp(nil) < 64 && f.MantExp(nil) > -64) {
			return f.Text('f', -1), nil
		}
		return "", errors.New("wants text, not such a number")
	}
	return "", errors.New("wants text")
}

// asInt reads a whole number, also from text such as "15".
func asInt(v cty.Value) (int64, error) {
	text, err := asText(v)
	if err != nil || v.Type() == cty.Bool {
		return 0, errors.New("wants a whole number")
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("wants a whole number, not %q", text)
	}
	return n, nil
}

// asFloat reads a number, also from text.
func asFloat(v cty.Value) (float64, error) {
	text, err := asText(v)
	if err != nil || v.Type() == cty.Bool {
		return 0, errors.New("wants a number")
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("wants a number, not %q", text)
	}
	return n, nil
}

// asBool reads true or false, also from "true", "false", "1", "0".
func asBool(v cty.Value) (bool, error) {
	if text, err := asText(v); err == nil {
		return parseBool(text)
	}
	return false, errors.New("wants true or false")
}

// parseBool reads a bool of a plugin's config or a client option.
func parseBool(v any) (bool, error) {
	switch fmt.Sprint(v) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("wants true or false, not %q", fmt.Sprint(v))
}

// asDuration reads "30s", "1h30m" or "2d". A bare number has no unit: 0 is clear, and
// from a million on it can only be the nanoseconds that Nomad's own JSON prints; a
// number between would be 30 ns to one reader and 30 s to another.
func asDuration(v cty.Value) (time.Duration, error) {
	text, err := asText(v)
	if err != nil || v.Type() == cty.Bool {
		return 0, errors.New(`wants a duration such as "30s"`)
	}
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n == 0 || n >= int64(time.Millisecond) {
			return time.Duration(n), nil
		}
		return 0, fmt.Errorf("wants a duration with a unit, such as %q", text+"s")
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n <= 100*365 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`wants a duration such as "30s" or "1h30m", not %q`, text)
	}
	return d, nil
}

// sizeUnits are the suffixes of Bytes, in lower case and without the final b.
var sizeUnits = map[string]float64{
	"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
	"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
}

// asBytes reads a size.
func asBytes(v cty.Value) (Bytes, error) {
	text, err := asText(v)
	if err != nil || v.Type() == cty.Bool {
		return 0, errors.New(`wants a size such as "10MB"`)
	}
	s := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(s, "kmgtib \t")
	unit, known := sizeUnits[strings.TrimSuffix(strings.TrimSpace(s[len(digits):]), "b")]
	n, err := strconv.ParseFloat(digits, 64)
	if !known || err != nil || !(n >= 0) || n*unit >= math.MaxInt64 {
		return 0, fmt.Errorf(`wants a size such as "512KiB", "10MB" or a number of bytes, not %q`, text)
	}
	return Bytes(n * unit), nil
}

// asAny reads what only a driver understands: bool, int64, float64, string, []any and
// map[string]any. A key that appears twice collects its values in a []any.
func asAny(n node) any {
	switch n.kind {
	case scalar:
		return scalarAny(n.scalar)
	case list:
		out := make([]any, 0, len(n.items))
		for _, item := range n.items {
			out = append(out, asAny(item))
		}
		return out
	case object:
		out, times := map[string]any{}, map[string]int{}
		for _, f := range n.fields {
			v := asAny(f.value)
			switch times[f.name]++; times[f.name] {
			case 1:
				out[f.name] = v
			case 2:
				out[f.name] = []any{out[f.name], v}
			default:
				out[f.name] = append(out[f.name].([]any), v)
			}
		}
		return out
	}
	return nil
}

func scalarAny(v cty.Value) any {
	switch v.Type() {
	case cty.Bool:
		return v.True()
	case cty.Number:
		f := v.AsBigFloat()
		if n, exact := f.Int64(); exact == big.Exact {
			return n
		}
		x, _ := f.Float64()
		return x
	}
	return v.AsString()
}

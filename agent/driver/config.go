package driver

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// schema is the keys of a driver's config block. A value's function stores
// what it was given, or says what it wants instead.
type schema map[string]func(value any) error

// decode hands every key of config to its function. Keys are visited in order,
// so that the same mistake gives the same error.
func (s schema) decode(driver string, config map[string]any) error {
	keys := make([]string, 0, len(config))
	for key := range config {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		set, ok := s[key]
		if !ok {
			return fmt.Errorf("%s config: unknown key %q%s", driver, key, s.suggest(key))
		}
		if err := set(config[key]); err != nil {
			return fmt.Errorf("%s config: %s: %w", driver, key, err)
		}
	}
	return nil
}

// suggest offers the nearest key, or all of them when none is near.
func (s schema) suggest(key string) string {
	keys := make([]string, 0, len(s))
	for known := range s {
		keys = append(keys, known)
	}
	slices.Sort(keys)
	best, distance := "", 3 // further than two typing errors is another word
	for _, known := range keys {
		if d := editDistance(strings.ToLower(key), known); d < distance {
			best, distance = known, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; the keys are " + strings.Join(keys, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// The functions below make a schema's values. Numbers come as any of Go's
// types, as JSON and HCL decode differently.

func stringKey(to *string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("want a string, got %s", describe(value))
		}
		*to = s
		return nil
	}
}

func stringsKey(to *[]string) func(any) error {
	return func(value any) error {
		switch list := value.(type) {
		case []string:
			*to = slices.Clone(list)
			return nil
		case []any:
			all := make([]string, len(list))
			for i, element := range list {
				s, ok := element.(string)
				if !ok {
					return fmt.Errorf("want a list of strings, element %d is %s", i, describe(element))
				}
				all[i] = s
			}
			*to = all
			return nil
		}
		return fmt.Errorf("want a list of strings, got %s", describe(value))
	}
}

func boolKey(to *bool) func(any) error {
	return func(value any) error {
		b, ok := value.(bool)
		if !ok {
			return fmt.Errorf("want true or false, got %s", describe(value))
		}
		*to = b
		return nil
	}
}

func intKey(to *int) func(any) error {
	return func(value any) error {
		n, ok := integer(value)
		if !ok {
			return fmt.Errorf("want a whole number, got %s", describe(value))
		}
		*to = int(n)
		return nil
	}
}

// durationKey takes "90s" or a number of nanoseconds; none below zero.
func durationKey(to *time.Duration) func(any) error {
	return func(value any) error {
		var d time.Duration
		if s, ok := value.(string); ok {
			var err error
			if d, err = time.ParseDuration(s); err != nil {
				return fmt.Errorf("want a duration like \"1m30s\", got %q", s)
			}
		} else if n, ok := integer(value); ok {
			d = time.Duration(n)
		} else {
			return fmt.Errorf("want a duration like \"1m30s\", got %s", describe(value))
		}
		if d < 0 {
			return fmt.Errorf("want a duration of at least 0, got %s", d)
		}
		*to = d
		return nil
	}
}

// block takes one block, which HCL may give as a list of one.
func block(value any) (map[string]any, error) {
	switch v := value.(type) {
	case map[string]any:
		return v, nil
	case []map[string]any:
		if len(v) == 1 {
			return v[0], nil
		}
	case []any:
		if len(v) == 1 {
			return block(v[0])
		}
	}
	return nil, fmt.Errorf("want one block, got %s", describe(value))
}

// unimplementedKey refuses what Nomad documents and we do not do.
func unimplementedKey(any) error {
	return fmt.Errorf("not implemented by selfheal; remove it")
}

func integer(value any) (int64, bool) {
	switch n := value.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("the string %q", v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case []any, []string:
		return "a list"
	case map[string]any, []map[string]any:
		return "a block"
	}
	return fmt.Sprintf("the number %v", value)
}

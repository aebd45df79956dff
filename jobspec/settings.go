package jobspec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting judges the text of one value of an own block. The error says what is
// expected, to stand behind the name.
type setting func(text string) error

func boolean(text string) error {
	if text != "true" && text != "false" {
		return errors.New("must be true or false")
	}
	return nil
}

func duration(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New(`must be a positive duration such as "30s"`)
	}
	return nil
}

// number reads a finite decimal number.
func number(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

func decimal(text string) error {
	if _, ok := number(text); !ok {
		return errors.New("must be a number")
	}
	return nil
}

// factor is how many times more: above 1, or everything would be too much.
func factor(text string) error {
	if n, ok := number(text); !ok || n <= 1 {
		return errors.New("must be a number above 1")
	}
	return nil
}

func whole(text string) error {
	if n, err := strconv.ParseInt(text, 10, 32); err != nil || n < 0 {
		return errors.New("must be a whole number, not negative")
	}
	return nil
}

// share is a number of allocations, or a percentage of them.
func share(text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || n == 0 || percent && n > 100 {
		return errors.New(`must be a number of allocations, at least 1, or a percentage such as "10%"`)
	}
	return nil
}

func words(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("cannot be empty")
	}
	return nil
}

func urlPath(text string) error {
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " \t\r\n?#") {
		return errors.New("must begin with / and hold no space, ? or #")
	}
	return nil
}

// hostName is a name of DNS, or "*." and one.
func hostName(text string) error {
	name := strings.TrimPrefix(text, "*.")
	for label := range strings.SplitSeq(name, ".") {
		if !hostLabel(label) {
			return errors.New(`must be a host name such as "shop.example.org"`)
		}
	}
	if len(name) > 253 {
		return errors.New("has more than 253 bytes")
	}
	return nil
}

func hostLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !slices.ContainsFunc([]byte(label), func(c byte) bool { return !letterOrDigit(c) && c != '-' })
}

func oneOf(allowed ...string) setting {
	quoted := make([]string, len(allowed))
	for i, word := range allowed {
		quoted[i] = strconv.Quote(word)
	}
	return func(text string) error {
		if !slices.Contains(allowed, text) {
			return fmt.Errorf("must be one of %s", strings.Join(quoted, ", "))
		}
		return nil
	}
}

package config

import (
	"fmt"
	"strconv"
	"strings"
)

// ParsePorts reads "22,80,8000-8100" into ascending ports without repetition.
func ParsePorts(s string) ([]int, error) {
	ports, err := parseRanges(s, 1, 65535)
	if err != nil {
		return nil, fmt.Errorf(`wants ports such as "22,80,8000-8100": %w`, err)
	}
	return ports, nil
}

// ParseCores reads a cpuset such as "0-1,7" into ascending core numbers.
func ParseCores(s string) ([]int, error) {
	cores, err := parseRanges(s, 0, 65535)
	if err != nil {
		return nil, fmt.Errorf(`wants cores such as "0-1,7": %w`, err)
	}
	return cores, nil
}

// parseRanges reads "a,b-c" with every number from lo to hi.
func parseRanges(s string, lo, hi int) ([]int, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	member := make([]bool, hi+1)
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.Atoi(strings.TrimSpace(first))
		to, errTo := strconv.Atoi(strings.TrimSpace(last))
		switch {
		case errFrom != nil || errTo != nil:
			return nil, fmt.Errorf("%q is no number or range", strings.TrimSpace(part))
		case from < lo || to > hi:
			return nil, fmt.Errorf("%q is not within %d to %d", strings.TrimSpace(part), lo, hi)
		case from > to:
			return nil, fmt.Errorf("%q runs backwards", strings.TrimSpace(part))
		}
		for n := from; n <= to; n++ {
			member[n] = true
		}
	}
	var out []int
	for n, in := range member {
		if in {
			out = append(out, n)
		}
	}
	return out, nil
}

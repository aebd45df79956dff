package command

import "strings"

// nearest finds the candidate that a mistyped name is likeliest to mean: at most
// two edits away, or one for names of three letters and less, or a beginning of
// exactly one candidate.
func nearest(name string, candidates []string) (string, bool) {
	limit := 2
	if len(name) <= 3 {
		limit = 1
	}
	best, found := "", limit+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < found {
			best, found = c, d
		}
	}
	if best != "" {
		return best, true
	}
	for _, c := range candidates {
		if len(name) >= 2 && strings.HasPrefix(c, name) {
			if best != "" {
				return "", false
			}
			best = c
		}
	}
	return best, best != ""
}

// didYouMean is "; did you mean x?", or nothing.
func didYouMean(name string, candidates []string) string {
	if near, ok := nearest(name, candidates); ok {
		return "; did you mean " + near + "?"
	}
	return ""
}

// distance is the number of edits (insert, delete, replace, swap two neighbours)
// between two names: optimal string alignment.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

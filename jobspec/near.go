package jobspec

// nearest returns the known name that word was most likely meant to be, or ""
// when none is close: at most one edit for every three letters.
func nearest(word string, known []string) string {
	best, bestDistance := "", len(word)/3+1
	for _, name := range known {
		if d := editDistance(word, name); d < bestDistance || (d == bestDistance && best == "") {
			best, bestDistance = name, d
		}
	}
	if best == word {
		return ""
	}
	return best
}

// didYouMean is the suggestion as a sentence part, "" when nothing is near.
func didYouMean(word string, known []string) string {
	if name := nearest(word, known); name != "" {
		return `did you mean "` + name + `"?`
	}
	return ""
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment). Names longer than
// 64 bytes are never typing errors; they are reported as far apart.
func editDistance(a, b string) int {
	const far = 1 << 10
	if len(a) > 64 || len(b) > 64 {
		return far
	}
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := old[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(old[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}

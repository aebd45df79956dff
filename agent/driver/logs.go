package driver

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The two log streams of a task.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// LogFile is one file of a task's rotated log.
type LogFile struct {
	Path string
	N    int   // grows by one with every rotation, never reused
	Size int64 // bytes, when listed
}

// LogFiles lists the files of one stream ("stdout" or "stderr") of a task in
// dir, oldest first. Read one after another they are the stream, less what
// rotation has dropped. No file is no error.
func LogFiles(dir, task, stream string) ([]LogFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	var files []LogFile
	for _, entry := range entries {
		n, ok := logNumber(entry.Name(), task, stream)
		if !ok {
			continue
		}
		info, err := entry.Info()
		if os.IsNotExist(err) { // rotated away since
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list logs: %w", err)
		}
		files = append(files, LogFile{Path: filepath.Join(dir, entry.Name()), N: n, Size: info.Size()})
	}
	slices.SortFunc(files, func(a, b LogFile) int { return cmp.Compare(a.N, b.N) })
	return files, nil
}

// LogName is the name of a log file: "<task>.<stream>.<n>".
func LogName(task, stream string, n int) string {
	return task + "." + stream + "." + strconv.Itoa(n)
}

// logNumber is the inverse of LogName for a known task and stream.
func logNumber(name, task, stream string) (int, bool) {
	digits, ok := strings.CutPrefix(name, task+"."+stream+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || strconv.Itoa(n) != digits {
		return 0, false
	}
	return n, true
}

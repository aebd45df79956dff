package command

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

// logFileConfig says where an agent's log file is and when a new one begins.
type logFileConfig struct {
	path     string        // ends in "/": selfheal.log in that directory
	maxBytes int64         // 0: no limit
	maxAge   time.Duration // 0: no limit
	keep     int           // old files that stay; 0: all
}

// logFile is a log that is renamed to name-TIME.ext when it is too big or too
// old, and begun anew.
type logFile struct {
	cfg logFileConfig

	mu    sync.Mutex
	file  *os.File
	size  int64
	begun time.Time
}

func openLog(cfg logFileConfig) (*logFile, error) {
	if strings.HasSuffix(cfg.path, "/") {
		cfg.path += "selfheal.log"
	}
	if err := os.MkdirAll(filepath.Dir(cfg.path), 0o755); err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	l := &logFile{cfg: cfg}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.cfg.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open log file: %w", err)
	}
	l.file, l.size, l.begun = f, info.Size(), time.Now()
	return nil
}

// Write appends one message. A log that cannot be renamed goes on in its file.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.cfg.maxBytes > 0 && l.size > 0 && l.size+int64(len(p)) > l.cfg.maxBytes
	old := l.cfg.maxAge > 0 && time.Since(l.begun) > l.cfg.maxAge
	if full || old {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

func (l *logFile) rotate() error {
	ext := filepath.Ext(l.cfg.path)
	stem := strings.TrimSuffix(l.cfg.path, ext)
	if err := os.Rename(l.cfg.path, fmt.Sprintf("%s-%019d%s", stem, time.Now().UnixNano(), ext)); err == nil {
		l.file.Close()
		if err := l.open(); err != nil {
			return err
		}
	}
	l.begun = time.Now()
	if l.cfg.keep <= 0 {
		return nil
	}
	old, _ := filepath.Glob(stem + "-" + strings.Repeat("[0-9]", 19) + ext)
	sort.Strings(old)
	for _, name := range old[:max(0, len(old)-l.cfg.keep)] {
		_ = os.Remove(name)
	}
	return nil
}

package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The bounds of a job file that is read from a URL: how long it may take, and how
// long it may be (what a job file may be at all, and one byte to tell).
const (
	fetchWait  = 30 * time.Second
	fetchBytes = 8<<20 + 1
)

// isURL reports whether a job file is to be fetched.
func isURL(path string) bool {
	return strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://")
}

// readJobFile reads a file, standard input for "-", or what a URL answers.
func (s *session) readJobFile(path string) ([]byte, error) {
	if !isURL(path) {
		return s.readAll(path)
	}
	ctx, stop := s.interruptible()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch: %v", err) // not wrapped: it is not the agent that is away
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: answered %s", path, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, fetchBytes))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", path, err)
	}
	return body, nil
}

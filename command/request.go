package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// rawRequest is a request that a person wrote.
type rawRequest struct {
	method, path, filter string
	headers              []string
	body                 io.Reader
}

// curl is a request as a command line. The token is named, not shown.
func curl(r *http.Request) string {
	words := []string{"curl", "-X", r.Method}
	for _, k := range keys(r.Header) {
		for _, v := range r.Header[k] {
			if k == "X-Nomad-Token" {
				v = "$SELFHEAL_TOKEN"
			}
			words = append(words, "-H", strconv.Quote(k+": "+v))
		}
	}
	if r.Body != nil {
		words = append(words, "--data-binary", "@-")
	}
	return strings.Join(append(words, strconv.Quote(r.URL.String())), " ")
}

// request sends one request as it is and copies the answer to standard output.
func (s *session) request(r rawRequest, loud, dry bool) error {
	method, path, filter, headers, body := r.method, r.path, r.filter, r.headers, r.body
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	target, err := url.Parse(s.address() + path)
	if err != nil {
		return usagef("read path: %v", err)
	}
	query := target.Query()
	for k, v := range map[string]string{"filter": filter, "region": s.or(s.flags.region, "REGION"), "namespace": s.or(s.flags.namespace, "NAMESPACE")} {
		if v != "" && !query.Has(k) {
			query.Set(k, v)
		}
	}
	target.RawQuery = query.Encode()
	req, err := http.NewRequest(method, target.String(), body)
	if err != nil {
		return usagef("make request: %v", err)
	}
	if token := s.or(s.flags.token, "TOKEN"); token != "" {
		req.Header.Set("X-Nomad-Token", token)
	}
	for _, h := range headers {
		k, v, ok := strings.Cut(h, ":")
		if !ok {
			return usagef("-H wants \"Name: value\", not %q", h)
		}
		req.Header.Add(strings.TrimSpace(k), strings.TrimSpace(v))
	}
	if dry {
		s.printf("%s\n", curl(req))
		return nil
	}
	client, err := s.httpClient()
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if loud {
		s.say("%s %s", resp.Proto, resp.Status)
		for _, k := range keys(resp.Header) {
			s.say("%s: %s", k, strings.Join(resp.Header[k], ", "))
		}
	}
	if _, err := io.Copy(s.out, resp.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		return exitError{1, errors.New("the agent answered " + resp.Status)}
	}
	return nil
}

// keyValues reads key=value arguments.
func keyValues(flag string, pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("%s wants key=value, not %q", flag, p)
		}
		out[k] = v
	}
	return out, nil
}

package command

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	stdbytes "bytes"
)

// sink takes the files of a capture.
type sink interface {
	write(name string, body []byte) error
	// close finishes and says where the capture is.
	close() (string, error)
}

// newSink is a directory below dir, or without one an archive in this directory.
func newSink(dir, name string, now time.Time) (sink, error) {
	if dir != "" {
		root := filepath.Join(dir, name)
		return dirSink(root), os.MkdirAll(root, 0o700)
	}
	f, err := os.OpenFile(name+".tar.gz", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	z := gzip.NewWriter(f)
	return &archive{f: f, z: z, t: tar.NewWriter(z), root: name, now: now}, nil
}

// dirSink is a directory.
type dirSink string

func (d dirSink) write(name string, body []byte) error {
	p := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return err
	}
	return os.WriteFile(p, body, 0o600)
}

func (d dirSink) close() (string, error) { return string(d), nil }

// archive is a compressed tar file.
type archive struct {
	f    *os.File
	z    *gzip.Writer
	t    *tar.Writer
	root string
	now  time.Time
}

func (a *archive) write(name string, body []byte) error {
	err := a.t.WriteHeader(&tar.Header{Name: path.Join(a.root, name), Mode: 0o600, Size: int64(len(body)), ModTime: a.now, Typeflag: tar.TypeReg})
	if err == nil {
		_, err = a.t.Write(body)
	}
	return err
}

func (a *archive) close() (string, error) {
	return a.f.Name(), errors.Join(a.t.Close(), a.z.Close(), a.f.Close())
}

// redacted stands for what a capture does not show.
const redacted = "[redacted]"

// redactor hides secrets.
type redactor struct {
	token string // the one that is used, wherever it stands
}

// secretWords are in the names of fields whose text is hidden; secretFields are
// names whose whole value is.
var (
	secretWords  = []string{"secret", "password", "passwd", "token", "credential", "apikey", "api_key", "private_key", "privatekey", "authorization"}
	secretFields = []string{"env", "environ", "environment", "payload", "items", "encrypt", "secrets", "embeddedtmpl", "variables", "variableflags", "source"}
)

// json hides the secrets of a JSON text and indents it. What is not JSON is text.
func (r *redactor) json(text []byte) []byte {
	return r.rewrite(text, func(v any) ([]byte, error) { return json.MarshalIndent(v, "", "  ") })
}

// compact is json on one line.
func (r *redactor) compact(text []byte) []byte { return r.rewrite(text, json.Marshal) }

func (r *redactor) rewrite(text []byte, encode func(any) ([]byte, error)) []byte {
	d := json.NewDecoder(stdbytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return r.text(text)
	}
	out, err := encode(hideValue("", v))
	if err != nil {
		return r.text(text)
	}
	return r.text(out)
}

// text hides the token that is used.
func (r *redactor) text(text []byte) []byte {
	if r.token == "" {
		return text
	}
	return stdbytes.ReplaceAll(text, []byte(r.token), []byte(redacted))
}

// hideValue is a value without what is secret, by the name that it stands under.
func hideValue(name string, v any) any {
	lower := strings.ToLower(name)
	for _, f := range secretFields {
		if lower == f {
			return hideAll(v)
		}
	}
	for _, w := range secretWords {
		if strings.Contains(lower, w) {
			return hideAll(v)
		}
	}
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = hideValue(k, x[k])
		}
	case []any:
		for i := range x {
			x[i] = hideValue("", x[i])
		}
	}
	return v
}

// hideAll hides every text below a value and keeps its shape.
func hideAll(v any) any {
	switch x := v.(type) {
	case string:
		if x != "" {
			return redacted
		}
	case map[string]any:
		for k := range x {
			x[k] = hideAll(x[k])
		}
	case []any:
		for i := range x {
			x[i] = hideAll(x[i])
		}
	}
	return v
}

package jobspec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/nomad/api"
)

// parseJSON reads a job in the API's own JSON. Fields that the API does not have
// are errors here, as in HCL: in a file that a person keeps, they are mistakes.
func parseJSON(in Input) (*api.Job, Diagnostics) {
	j := &jsonReader{path: in.Path, src: in.Body}
	wrapped := struct{ Job json.RawMessage }{}
	if err := json.Unmarshal(in.Body, &wrapped); err != nil {
		return nil, Diagnostics{j.failure(err)}
	}
	body, typ := in.Body, reflect.TypeFor[api.Job]()
	if len(wrapped.Job) > 0 {
		body, typ = wrapped.Job, reflect.TypeFor[api.JobRegisterRequest]()
	}
	job := &api.Job{}
	if err := json.Unmarshal(body, job); err != nil {
		return nil, Diagnostics{j.failure(err)}
	}
	if len(in.Vars)+len(in.VarFiles) > 0 {
		return nil, Diagnostics{{File: in.Path, Summary: "a JSON job takes no variables", Detail: "write the values into the job, or use HCL"}}
	}
	j.dec = json.NewDecoder(bytes.NewReader(in.Body))
	if err := j.check(typ); err != nil && !errors.Is(err, io.EOF) {
		return nil, Diagnostics{j.failure(err)}
	}
	return job, j.diags
}

// jsonReader walks the text of a JSON job beside its type, to find names that
// the type does not have, with their positions.
type jsonReader struct {
	path  string
	src   []byte
	dec   *json.Decoder
	diags Diagnostics
}

// check reads one value; typ is nil where anything goes.
func (j *jsonReader) check(typ reflect.Type) error {
	token, err := j.dec.Token()
	if err != nil {
		return err
	}
	for typ != nil && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch token {
	case json.Delim('{'):
		for j.dec.More() {
			key, err := j.dec.Token()
			if err != nil {
				return err
			}
			if err := j.check(j.member(typ, key.(string))); err != nil {
				return err
			}
		}
		_, err = j.dec.Token()
	case json.Delim('['):
		var elem reflect.Type
		if typ != nil && typ.Kind() == reflect.Slice {
			elem = typ.Elem()
		}
		for j.dec.More() {
			if err := j.check(elem); err != nil {
				return err
			}
		}
		_, err = j.dec.Token()
	}
	return err
}

// member is the type of a named member, nil where anything goes.
func (j *jsonReader) member(typ reflect.Type, name string) reflect.Type {
	switch {
	case typ == nil:
		return nil
	case typ.Kind() == reflect.Map:
		return typ.Elem()
	case typ.Kind() != reflect.Struct:
		return nil
	}
	var known []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "" {
			tag = field.Name
		}
		if strings.EqualFold(tag, name) {
			return field.Type
		}
		known = append(known, tag)
	}
	if !formerFields[name] {
		d := Diagnostic{Summary: fmt.Sprintf("unknown field %q in %s", name, typ.Name()), Detail: didYouMean(name, known)}
		at := j.position(int(j.dec.InputOffset()) - len(name) - 2)
		d.File, d.Line, d.Column, d.Width = j.path, at.Line, at.Column, len(name)+2
		j.diags = append(j.diags, d)
	}
	return nil
}

// formerFields were part of the job in older releases of the API. Exports of
// that time still hold them, mostly empty.
var formerFields = map[string]bool{"ConsulToken": true, "VaultToken": true}

// failure words an error of the JSON decoder with its place.
func (j *jsonReader) failure(err error) Diagnostic {
	d := Diagnostic{File: j.path, Summary: "invalid JSON", Detail: strings.TrimPrefix(err.Error(), "json: "), Width: 1}
	var syntax *json.SyntaxError
	var misfit *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at := j.position(int(syntax.Offset) - 1)
		d.Line, d.Column = at.Line, at.Column
	case errors.As(err, &misfit):
		d.Summary = fmt.Sprintf("%s: %s expected, not %s", misfit.Field, misfit.Type, misfit.Value)
		d.Detail = ""
		if misfit.Type == durationType {
			d.Detail = "durations are nanoseconds in JSON: 30 seconds is 30000000000"
		}
	}
	return d
}

// position turns a byte offset into a line and a column.
func (j *jsonReader) position(offset int) hcl.Pos {
	before := j.src[:max(0, min(offset, len(j.src)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return hcl.Pos{Line: line, Column: column, Byte: len(before)}
}

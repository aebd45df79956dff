package client

import (
	"strings"
)

// lookup answers a reference, the text between "${" and "}"; false leaves it as it is.
type lookup func(ref string) (string, bool)

// interpolate replaces every ${reference} of s that look knows. Others stay as
// they are: a shell script in a job file has its own ${VARIABLES}. What was put in
// is not looked at again.
func interpolate(s string, look lookup) string {
	var out strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			break
		}
		length := strings.IndexByte(s[start+2:], '}')
		if length < 0 {
			break
		}
		ref := s[start+2 : start+2+length]
		if inner := strings.LastIndex(ref, "${"); inner >= 0 { // "${a${b}": the inner one is the reference
			out.WriteString(s[:start+2+inner])
			s = s[start+2+inner:]
			continue
		}
		end := start + 2 + length + 1
		if value, ok := look(strings.TrimSpace(ref)); ok {
			out.WriteString(s[:start])
			out.WriteString(value)
		} else {
			out.WriteString(s[:end])
		}
		s = s[end:]
	}
	if out.Len() == 0 {
		return s
	}
	out.WriteString(s)
	return out.String()
}

// interpolateValue does the same to every string inside a task's config, keys of
// maps included, and returns a copy.
func interpolateValue(v any, look lookup) any {
	switch v := v.(type) {
	case string:
		return interpolate(v, look)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = interpolateValue(item, look)
		}
		return out
	case []string:
		out := make([]string, len(v))
		for i, item := range v {
			out[i] = interpolate(item, look)
		}
		return out
	case []map[string]any:
		out := make([]map[string]any, len(v))
		for i, item := range v {
			out[i] = interpolateMap(item, look)
		}
		return out
	case map[string]any:
		return interpolateMap(v, look)
	case map[string]string:
		return interpolateStrings(v, look)
	}
	return v
}

func interpolateMap(m map[string]any, look lookup) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[interpolate(k, look)] = interpolateValue(v, look)
	}
	return out
}

func interpolateStrings(m map[string]string, look lookup) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[interpolate(k, look)] = interpolate(v, look)
	}
	return out
}

// references resolves what a job file may refer to: NOMAD_X and env["X"] from env,
// attr., meta. and node. from the node.
func references(node nodeFacts, env map[string]string) lookup {
	return func(ref string) (string, bool) {
		if name, ok := quoted(ref, "env"); ok {
			return env[name], true
		}
		if name, ok := quoted(ref, "attr"); ok {
			v, ok := node.attributes[name]
			return v, ok
		}
		if name, ok := quoted(ref, "meta"); ok {
			v, ok := node.meta[name]
			return v, ok
		}
		if kind, name, ok := strings.Cut(ref, "."); ok {
			var from map[string]string
			switch kind {
			case "attr":
				from = node.attributes
			case "meta":
				from = node.meta
			case "node":
				from = node.names
			}
			v, ok := from[name]
			return v, ok
		}
		v, ok := env[ref]
		return v, ok
	}
}

// quoted matches kind["name"].
func quoted(ref, kind string) (string, bool) {
	rest, ok := strings.CutPrefix(ref, kind+`["`)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, `"]`)
}

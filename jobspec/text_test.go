package jobspec

import (
	"bytes"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	diags := Diagnostics{
		{Summary: "wrong", Detail: "do it right", File: "a.hcl", Line: 2, Column: 3, Width: 4},
		{Severity: Warning, Summary: "odd", File: "gone.hcl", Line: 10, Column: 1},
		{Summary: "nowhere"},
	}
	var out bytes.Buffer
	if err := diags.Render(&out, map[string][]byte{"a.hcl": []byte("one\r\n\tätwo\r\nthree")}, false); err != nil {
		t.Fatal(err)
	}
	want := "Error: wrong\n --> a.hcl:2:3\n  |\n2 | \tätwo\n  | \t ^^^^\n  do it right\n" +
		"\nWarning: odd\n  --> gone.hcl:10:1\n" +
		"\nError: nowhere\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := diags[:1].Render(&out, nil, true); err != nil || !strings.HasPrefix(out.String(), "\x1b[31mError:\x1b[0m") {
		t.Errorf("in colour: %q, %v", out.String(), err)
	}
}

func TestRenderOfAnotherKindOfFile(t *testing.T) {
	var out bytes.Buffer
	if err := make(Diagnostics, 150).Render(&out, nil, false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "Error:"); n != maxRendered || !strings.HasSuffix(out.String(), "\nand 120 more\n") {
		t.Errorf("%d of 150 shown: %q", n, out.String())
	}
}

func TestDiagnosticsText(t *testing.T) {
	diags := Diagnostics{
		{Severity: Warning, Summary: "odd", File: "a", Line: 1, Column: 2},
		{Summary: "wrong", Detail: "fix", File: "a", Line: 3, Column: 4},
	}
	if got, want := diags.Error(), "a:1:2: warning: odd\na:3:4: wrong; fix"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := diags.Err().Error(), "a:3:4: wrong; fix"; got != want {
		t.Errorf("Err() = %q, want %q", got, want)
	}
	if err := diags.Warnings().Err(); err != nil {
		t.Errorf("warnings are an error: %v", err)
	}
	if Diagnostics(nil).HasErrors() {
		t.Error("nothing has errors")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"count", "constraint", "network", "update"}
	for word, want := range map[string]string{
		"cuont": "count", "constrain": "constraint", "netwrok": "network", "updates": "update",
		"count": "", "zebra": "", "": "", "x": "", strings.Repeat("count", 20): "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"aligned", "job \"x\" {\na = 1\n  long=2 # why\n}\n\n\n", "job \"x\" {\n  a    = 1\n  long = 2 # why\n}\n"},
		{"heredoc stays", "a = <<E\n  x\n y\nE\n", "a = <<E\n  x\n y\nE\n"},
		{"no newline at the end", "a=1", "a = 1\n"},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, diags := Format([]byte(tt.in))
			if diags.HasErrors() || string(got) != tt.want {
				t.Errorf("got %q (%v), want %q", got, diags, tt.want)
			}
			if again, _ := Format(got); !bytes.Equal(again, got) {
				t.Errorf("formatting again gives %q", again)
			}
		})
	}
	src := []byte("job {{{")
	if got, diags := Format(src); !diags.HasErrors() || !bytes.Equal(got, src) {
		t.Errorf("faulty text: got %q (%v), want it unchanged and an error", got, diags)
	}
}

// TestExample makes sure that what `job init` writes runs as it is.
func TestExample(t *testing.T) {
	for _, short := range []bool{true, false} {
		src := Example(short)
		job, diags := Parse(Input{Path: "example.nomad.hcl", Body: src})
		if len(diags) > 0 {
			t.Fatalf("short %v:\n%s", short, diags)
		}
		Canonicalize(job)
		if p := Validate(job, Limits{}); p.Err() != nil || len(p.Warnings) > 0 {
			t.Errorf("short %v: %v, warnings %q", short, p.Err(), p.Warnings)
		}
		if formatted, _ := Format(src); !bytes.Equal(formatted, src) {
			t.Errorf("short %v: the example is not formatted", short)
		}
		src[0] = 'X'
		if Example(short)[0] == 'X' {
			t.Error("callers share the example; want a copy")
		}
	}
}

// TestExampleConnect makes sure that what `job init -connect` writes is refused for
// what this version does not run, and for nothing else.
func TestExampleConnect(t *testing.T) {
	var jobs []string
	for _, short := range []bool{true, false} {
		src := ExampleConnect(short)
		job, diags := Parse(Input{Path: "example.nomad.hcl", Body: src})
		if len(diags) > 0 {
			t.Fatalf("short %v:\n%s", short, diags)
		}
		jobs = append(jobs, string(encode(t, job)))
		Canonicalize(job)
		for _, problem := range Validate(job, Limits{}).Errors {
			if !strings.Contains(problem, "is not supported by this version") {
				t.Errorf("short %v: %s", short, problem)
			}
		}
		if formatted, _ := Format(src); !bytes.Equal(formatted, src) {
			t.Errorf("short %v: the example is not formatted", short)
		}
	}
	if jobs[0] != jobs[1] {
		t.Error("the two lengths say different things")
	}
}

package jobspec

import (
	"fmt"
	"testing"
)

const located = `job "web" {
  type = "batch"
  periodic {
    cron = "99 * * * *"
  }
  constraint {
    value = "a"
  }
  constraint {
    operator = "maybe"
  }
  group "a" {
    count = -1
    task "t" {
      env {
        A = "x"
      }
      resources {
        cpu = -5
      }
    }
    task "t" {}
  }
  group "b" {
    dynamic "task" {
      for_each = ["x"]
      labels   = [task.value]
      content {
        kill_timeout = "-1s"
      }
    }
  }
  group "a" {}
}
`

func TestLocate(t *testing.T) {
	for _, tt := range []struct {
		problem string
		want    string // line:column
	}{
		{`group "a": task "t": resources: cpu must be at least 1 (is -5)`, "19:15"},
		{`group "a": task "t": driver is missing`, "14:5"},
		{`group "a": task "t" exists twice`, "22:5"},
		{`group "a" exists twice`, "33:3"},
		{`group "a": count must be at least 0 (is -1)`, "13:13"},
		{`group "a": task "t": env "A": nothing can hold NUL`, "16:9"},
		{`group "b": task "x": kill_timeout cannot be negative`, "29:24"},
		{`group "a": task "t": resources: memory must be at least 10`, "18:7"},
		{`periodic: cron "99 * * * *": syntax error in minute field`, "4:12"},
		{`constraint 2: operator "maybe" is none`, "10:16"},
		{`constraint 1: attribute is missing`, "6:3"},
		{`the counts of all groups sum up to more than the limit of 50000`, "1:1"},
		{`group "gone": task "t": driver is missing`, "1:1"},
		{``, "1:1"},
	} {
		got := Locate("web.hcl", []byte(located), []string{tt.problem})
		if at := fmt.Sprintf("%d:%d", got[0].Line, got[0].Column); at != tt.want || got[0].Summary != tt.problem {
			t.Errorf("%s: at %s (%s), want %s", tt.problem, at, got[0].Summary, tt.want)
		}
	}
	if got := Locate("web.json", []byte(`{"job": {}}`), []string{"wrong"}); got[0].String() != "web.json: wrong" {
		t.Errorf("JSON: %q", got[0].String())
	}
}

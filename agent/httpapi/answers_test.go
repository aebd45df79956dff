package httpapi

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Many who ask for the same list at once cost one, until the index moves on.
func TestAnswersAreMadeOncePerIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &answers{}
		var made atomic.Int64
		ask := func(index uint64) string {
			out, next, err := s.row("jobs").at(index, false, func() (any, string, error) {
				return []int64{made.Add(1)}, "next", nil
			})
			if err != nil || next != "next" {
				t.Error(next, err)
			}
			return string(out.(sent).body)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got := ask(7); got != "[1]\n" {
					t.Errorf("got %s", got)
				}
			})
		}
		wg.Wait()
		if got := ask(8); got != "[2]\n" {
			t.Errorf("at the next index: %s", got)
		}
		s.forget()
		if got := ask(8); got != "[3]\n" {
			t.Errorf("after a restore: %s", got)
		}
	})
}

func TestAnswersRememberNoFailure(t *testing.T) {
	s := &answers{}
	wrong := errors.New("wrong")
	if _, _, err := s.row("x").at(3, false, func() (any, string, error) { return nil, "", wrong }); !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	out, _, err := s.row("x").at(3, false, func() (any, string, error) { return "y", "", nil })
	if err != nil || string(out.(sent).body) != "\"y\"\n" {
		t.Errorf("%v %v", out, err)
	}
}

// Only so many lists are kept, and the one asked for last stays.
func TestAnswersAreBounded(t *testing.T) {
	s := &answers{}
	first := s.row("first")
	for i := range 5 * keptAnswers {
		s.row(fmt.Sprint(i))
		if s.row("first") != first {
			t.Fatal("the list that is asked for all the time was dropped")
		}
	}
	if len(s.rows) != keptAnswers {
		t.Errorf("%d are kept", len(s.rows))
	}
}

// A list says what is, whoever asked before: after a change, of another page, filter,
// namespace or form.
func TestListsThatAreRemembered(t *testing.T) {
	ag := newAgent(t)
	ag.register(webJob("one"))
	get := func(query string) string {
		t.Helper()
		code, text, _ := ag.call("GET", "/v1/jobs"+query, "")
		if code != 200 {
			t.Fatalf("%s: %d %s", query, code, text)
		}
		return text
	}
	first := get("")
	if again := get("?stale"); again != first {
		t.Errorf("the same list: %s", again)
	}
	for _, query := range []string{"?pretty", "?prefix=x", "?namespace=other", "?filter=Status+==+%22dead%22"} {
		if got := get(query); got == first {
			t.Errorf("%s gives the list without it", query)
		}
	}
	ag.register(webJob("two"))
	if got := get(""); got == first {
		t.Error("the list does not show a job that was registered since")
	}
}

package command

import "testing"

func TestAdviceForAGroup(t *testing.T) {
	description := `created to place remaining allocations; group "a": needs 1 MHz more cpu; or less; group "b c": remove constraint ${attr.x} = "y"`
	for group, want := range map[string]string{
		"a": "needs 1 MHz more cpu; or less", "b c": `remove constraint ${attr.x} = "y"`, "c": "",
	} {
		if got := adviceFor(description, group); got != want {
			t.Errorf("%s: %q, want %q", group, got, want)
		}
	}
}

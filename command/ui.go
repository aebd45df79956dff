package command

import (
	"fmt"
	"net/url"
)

func uiVerbs() entries { return entries{{name: "ui", make: uiVerb}} }

func uiVerb() verb {
	var authenticate, show bool
	return verb{
		args: "[ID]", max: 1,
		short: "Open the web UI, at a job, allocation or node",
		long:  "Prints the address of the web UI and opens it in a browser: of its first page, or of the job, allocation or node ID.",
		flags: []flagRow{
			{"authenticate", "", "Log in there with the token of this command line, by a token that works once.", &authenticate, nil},
			{"show-url", "", "Only print the address.", &show, nil},
		},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			target := s.address() + "/ui/"
			if len(args) == 1 {
				found, id, err := guess(s, c, args[0])
				if err != nil {
					return err
				}
				path, ok := uiPages[found.verb]
				if !ok {
					return fmt.Errorf("the web UI has no page for that; try selfheal %s %s", found.verb, id)
				}
				target += path + "/" + url.PathEscape(id)
			}
			if authenticate {
				token, _, err := c.ACLTokens().UpsertOneTimeToken(nil)
				if err != nil {
					return fmt.Errorf("get a one-time token: %w", err)
				}
				if token == nil || token.OneTimeSecretID == "" {
					return fmt.Errorf("get a one-time token: the answer holds none")
				}
				target += "?ott=" + url.QueryEscape(token.OneTimeSecretID)
			}
			s.printf("Opening URL %q\n", target)
			if !show {
				s.browse(target)
			}
			return nil
		},
	}
}

// openPage opens the page of the web UI about one thing.
func (s *session) openPage(verb, id string) {
	target := s.address() + "/ui/" + uiPages[verb] + "/" + url.PathEscape(id)
	s.say("Opening URL %q", target)
	s.browse(target)
}

// browse opens a page when somebody sits here.
func (s *session) browse(target string) {
	if !isTerminal(s.out) {
		return
	}
	if err := openBrowser(target); err != nil {
		s.say("No browser opened (%v); open the address yourself.", err)
	}
}

// uiPages are the pages of the web UI by the verb that shows the same thing.
var uiPages = map[string]string{"job status": "jobs", "alloc status": "allocations", "node status": "clients"}

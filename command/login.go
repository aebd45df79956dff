package command

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// callbackAddress is where the browser brings the answer of an OIDC provider;
// the address that this stack's documentation registers with providers.
const callbackAddress = "localhost:4649"

// loginPatience is how long a person may take at the provider's page.
const loginPatience = 5 * time.Minute

func loginVerb() verb {
	var o output
	var method, kind, token string
	callback := callbackAddress
	return verb{
		short: "Get a token from an auth method",
		long: `Logs in and prints a token. With a JWT method -login-token is the JWT ("-" reads it from standard input, "@path" from a file); with an OIDC method a browser opens.

Without -method it is the cluster's default auth method.`,
		flags: concat(o.rows(), []flagRow{
			{"method", "NAME", "Through this auth method.", &method, nil},
			{"type", "TYPE", "Through the default auth method of this type: OIDC or JWT.", oneOf(&kind, "OIDC", "JWT"), nil},
			{"login-token", "JWT", "What a JWT method is shown.", &token, nil},
			{"oidc-callback-addr", "HOST:PORT", "Where the browser brings the answer (default " + callbackAddress + ").", &callback, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			m, err := loginMethod(c, method, kind)
			if err != nil {
				return err
			}
			var got *api.ACLToken
			if strings.EqualFold(m.Type, "JWT") {
				jwt, err := s.valueOf(token)
				if err != nil || jwt == "" {
					return errors.Join(err, usagef("auth method %q wants a JWT: -login-token", m.Name))
				}
				got, _, err = c.ACLAuth().Login(&api.ACLLoginRequest{AuthMethodName: m.Name, LoginToken: jwt}, nil)
				if err != nil {
					return fmt.Errorf("log in: %w", err)
				}
			} else if got, err = s.browserLogin(c, m.Name, callback); err != nil {
				return fmt.Errorf("log in: %w", err)
			}
			s.say("Logged in. To use the token: export SELFHEAL_TOKEN=<Secret ID>")
			return result(s, o, got, showToken)
		},
	}
}

// loginMethod is the auth method to use: named, or the default one.
func loginMethod(c *api.Client, name, kind string) (*api.ACLAuthMethodListStub, error) {
	all, _, err := c.ACLAuthMethods().List(nil)
	if err != nil {
		return nil, fmt.Errorf("list auth methods: %w", err)
	}
	var names []string
	for _, m := range present(all) {
		if name == "" && m.Default && (kind == "" || m.Type == kind) || m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	if name != "" {
		return nil, fmt.Errorf("no auth method is called %q%s", name, didYouMean(name, names))
	}
	return nil, usagef("no auth method is the default; name one with -method: %s", strings.Join(names, ", "))
}

// valueOf is a value that may stand in standard input ("-") or a file ("@path").
func (s *session) valueOf(text string) (string, error) {
	switch path, isFile := strings.CutPrefix(text, "@"); {
	case text == "-":
		b, err := s.readAll("-")
		return strings.TrimRight(string(b), "\r\n"), err
	case isFile:
		b, err := os.ReadFile(path)
		return strings.TrimRight(string(b), "\r\n"), err
	}
	return text, nil
}

// browserLogin sends a person to the provider and waits for the answer.
func (s *session) browserLogin(c *api.Client, method, callback string) (*api.ACLToken, error) {
	nonce := make([]byte, 20)
	rand.Read(nonce)
	l, err := net.Listen("tcp", callback)
	if err != nil {
		return nil, fmt.Errorf("wait for the browser: %w (-oidc-callback-addr names another address)", err)
	}
	redirect := "http://" + callback + "/oidc/callback"
	url, _, err := c.ACLAuth().GetAuthURL(&api.ACLOIDCAuthURLRequest{AuthMethodName: method, RedirectURI: redirect, ClientNonce: hex.EncodeToString(nonce)}, nil)
	if err != nil {
		l.Close()
		return nil, err
	}
	if url == nil || url.AuthURL == "" {
		l.Close()
		return nil, errors.New("the server gave no address of the provider")
	}
	answers := make(chan *api.ACLOIDCCompleteAuthRequest, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/oidc/callback" || q.Get("code") == "" {
			http.Error(w, "this is not the answer of a provider: "+q.Get("error_description"), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, "Logged in. This page may be closed; the terminal goes on.")
		select {
		case answers <- &api.ACLOIDCCompleteAuthRequest{
			AuthMethodName: method, ClientNonce: hex.EncodeToString(nonce), RedirectURI: redirect,
			State: q.Get("state"), Code: q.Get("code"), Iss: q.Get("iss"),
		}:
		default: // a second tab
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }() // ends with server.Shutdown below
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-done
	}()
	s.say("Open this page to log in:\n\n  %s\n", url.AuthURL)
	_ = openBrowser(url.AuthURL) // the address stands above
	ctx, stop := s.interruptible()
	defer stop()
	select {
	case answer := <-answers:
		t, _, err := c.ACLAuth().CompleteAuth(answer, nil)
		return t, err
	case <-ctx.Done():
		return nil, errors.New("interrupted before the provider answered")
	case <-time.After(loginPatience):
		return nil, fmt.Errorf("the provider has not answered for %s", loginPatience)
	}
}

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
	"golang.org/x/sys/unix"
)

const defaultAddress = "http://127.0.0.1:4646"

// session is one run of the program: its streams, its environment, and the
// shared flags as they were given.
type session struct {
	in       io.Reader
	out, err io.Writer
	lookup   func(string) (string, bool) // environment
	color    bool                        // on standard output
	errColor bool                        // on standard error
	now      func() time.Time            // nil: the clock
	strict   bool                        // a panic is a panic: for tests
	patience time.Duration               // with an agent that does not answer; 0: answerPatience

	flags shared
}

// shared are the flags of every command that asks an agent.
type shared struct {
	address, region, namespace, token             string
	caCert, caPath, clientCert, clientKey, server string
	skipVerify, noColor, forceColor               bool
}

func (s *session) sharedFlags() []flagRow {
	f := &s.flags
	pem := complete.PredictFiles("*.pem")
	return []flagRow{
		{"address", "URL", "Ask this agent (SELFHEAL_ADDR; default " + defaultAddress + ").", &f.address, nil},
		{"region", "NAME", "Ask in this region (SELFHEAL_REGION).", &f.region, nil},
		{"namespace", "NAME", "Act in this namespace (SELFHEAL_NAMESPACE; default \"default\"); \"*\" means all of them where a list is asked for.", &f.namespace, nil},
		{"token", "SECRET", "Authenticate with this token (SELFHEAL_TOKEN).", &f.token, nil},
		{"ca-cert", "PATH", "Check the agent's certificate against this CA (SELFHEAL_CACERT).", &f.caCert, pem},
		{"ca-path", "PATH", "Check it against the CAs of this directory (SELFHEAL_CAPATH).", &f.caPath, complete.PredictDirs("*")},
		{"client-cert", "PATH", "Show the agent this certificate (SELFHEAL_CLIENT_CERT).", &f.clientCert, pem},
		{"client-key", "PATH", "The key of that certificate (SELFHEAL_CLIENT_KEY).", &f.clientKey, pem},
		{"tls-server-name", "NAME", "Expect this name in the agent's certificate (SELFHEAL_TLS_SERVER_NAME).", &f.server, nil},
		{"tls-skip-verify", "", "Do not check the agent's certificate (SELFHEAL_SKIP_VERIFY).", &f.skipVerify, nil},
		{"no-color", "", "No colour (NO_COLOR).", &f.noColor, nil},
		{"force-color", "", "Colour even where no terminal is seen (SELFHEAL_CLI_FORCE_COLOR).", &f.forceColor, nil},
	}
}

// env reads SELFHEAL_name, else NOMAD_name, which scripts of this stack set.
func (s *session) env(name string) string {
	if v, ok := s.lookup("SELFHEAL_" + name); ok && v != "" {
		return v
	}
	v, _ := s.lookup("NOMAD_" + name)
	return v
}

// or is a flag's value, else the environment's.
func (s *session) or(flag, name string) string {
	if flag != "" {
		return flag
	}
	return s.env(name)
}

// address is the agent that is asked, always with a scheme.
func (s *session) address() string {
	a := s.or(s.flags.address, "ADDR")
	if a == "" {
		return defaultAddress
	}
	if !strings.Contains(a, "://") {
		a = "http://" + a
	}
	return strings.TrimRight(a, "/")
}

func (s *session) namespace() string {
	if ns := s.or(s.flags.namespace, "NAMESPACE"); ns != "" {
		return ns
	}
	return api.DefaultNamespace
}

// client is the API client that the flags and the environment describe.
func (s *session) client() (*api.Client, error) {
	if strings.HasPrefix(s.address(), "unix://") {
		return s.apiClient(nil) // it dials sockets itself
	}
	web, err := s.httpClient()
	if err != nil {
		return nil, err
	}
	return s.apiClient(web)
}

// streamClient is a client for a terminal in a task: a websocket, which the API's
// client opens only on a transport of its own making.
func (s *session) streamClient() (*api.Client, error) { return s.apiClient(nil) }

func (s *session) apiClient(web *http.Client) (*api.Client, error) {
	f := s.flags
	certs, err := s.certificates()
	if err != nil {
		return nil, err
	}
	cfg := &api.Config{
		Address:    s.address(),
		Region:     s.or(f.region, "REGION"),
		Namespace:  s.or(f.namespace, "NAMESPACE"),
		SecretID:   s.or(f.token, "TOKEN"),
		HttpClient: web, TLSConfig: certs,
	}
	if auth := s.env("HTTP_AUTH"); auth != "" {
		user, password, _ := strings.Cut(auth, ":")
		cfg.HttpAuth = &api.HttpBasicAuth{Username: user, Password: password}
	}
	c, err := api.NewClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("reach agent at %s: %w", cfg.Address, err)
	}
	return c, nil
}

// interruptible is a context that ends with Ctrl-C or SIGTERM. A second one
// ends the program as usual.
func (s *session) interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func (s *session) time() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// explain words an error for a person: the agent's own text without the
// client's wrapping, and what to do when there is no agent.
func (s *session) explain(err error) string {
	var unexpected api.UnexpectedResponseError
	if errors.As(err, &unexpected) && unexpected.HasStatusCode() {
		body := strings.TrimSpace(unexpected.Body())
		switch {
		case unexpected.StatusCode() == 403 && strings.HasSuffix(body, "ermission denied") || strings.HasSuffix(body, "token not found"):
			return body + " (-token, SELFHEAL_TOKEN)"
		case body != "":
			return body
		case unexpected.StatusCode() == 404:
			return "the agent at " + s.address() + " has nothing under this path; is it an older one?"
		}
		return fmt.Sprintf("the agent answered %d %s", unexpected.StatusCode(), unexpected.StatusText())
	}
	var silent silence
	if errors.As(err, &silent) {
		return fmt.Sprintf("%v; is it overloaded, or not the HTTP address of an agent? (-address or SELFHEAL_ADDR names another)", silent)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Sprintf("no agent answers at %s: %v (is one running? -address or SELFHEAL_ADDR names another)", s.address(), op.Err)
	}
	var web *url.Error
	if errors.As(err, &web) {
		return fmt.Sprintf("ask %s: %v", s.address(), web.Err)
	}
	// Some calls of the client pass an error on as text.
	if _, host, _ := strings.Cut(s.address(), "://"); strings.Contains(err.Error(), "dial tcp "+host+": connect: connection refused") {
		return fmt.Sprintf("no agent answers at %s (is one running? -address or SELFHEAL_ADDR names another)", s.address())
	}
	return err.Error()
}

// isStatus reports whether the agent answered with this HTTP status.
func isStatus(err error, code int) bool {
	var unexpected api.UnexpectedResponseError
	return errors.As(err, &unexpected) && unexpected.HasStatusCode() && unexpected.StatusCode() == code
}

// wantsColor decides about colour: only for a terminal, and unless told not to.
func (s *session) wantsColor(w io.Writer) bool {
	for _, name := range []string{"NO_COLOR", "NOMAD_CLI_NO_COLOR", "SELFHEAL_CLI_NO_COLOR"} {
		if v, ok := s.lookup(name); ok && v != "" {
			return false
		}
	}
	if s.env("CLI_FORCE_COLOR") != "" {
		return true
	}
	return isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

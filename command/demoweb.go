package command

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// webGrace is how long requests in flight may take once the server is told to stop.
const webGrace = 3 * time.Second

func demoWeb() verb {
	var listen string
	return verb{
		short: "A small web server, to be run as a job",
		long:  "Serves a page that says which allocation answers, on the port that the job calls http, and logs each request to standard output. /health answers 200 while it runs. SIGINT and SIGTERM end it gracefully.",
		local: true,
		flags: []flagRow{{"listen", "HOST:PORT", "Listen here (default: the job's port \"http\").", &listen, nil}},
		run: func(s *session, args []string) error {
			if listen == "" {
				listen = webAddress(s.lookup)
			}
			if listen == "" {
				return usagef("no port: give -listen HOST:PORT, or let a job with a port \"http\" run it")
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			s.printf("listening on %s\n", ln.Addr())
			ctx, stop := s.interruptible()
			defer stop()
			return serveWeb(ctx, ln, newWebPage(s))
		},
	}
}

// webAddress is where a job's environment wants the server: its port "http", on
// loopback if that is where the node's address is, else everywhere.
func webAddress(env func(string) (string, bool)) string {
	port, ok := env("NOMAD_PORT_http")
	if !ok || port == "" {
		return ""
	}
	host := ""
	if ip, _ := env("NOMAD_IP_http"); net.ParseIP(ip).IsLoopback() {
		host = ip
	}
	return net.JoinHostPort(host, port)
}

// serveWeb serves until ctx ends, then lets requests in flight finish.
func serveWeb(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { // ends with Serve below, or with ctx
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), webGrace)
		defer cancel()
		stopped <- srv.Shutdown(grace)
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// webPage is the server's one page.
type webPage struct {
	s     *session
	begun time.Time
	facts [][2]string
}

func newWebPage(s *session) *webPage {
	env := func(name string) string { v, _ := s.lookup(name); return v }
	host, _ := os.Hostname()
	p := &webPage{s: s, begun: s.time()}
	for _, f := range [][2]string{
		{"Allocation", env("NOMAD_ALLOC_ID")},
		{"Name", env("NOMAD_ALLOC_NAME")},
		{"Node", env("NODE_NAME")},
		{"Host", host},
		{"Process", fmt.Sprint(os.Getpid())},
		{"Version", "selfheal " + Version},
	} {
		if f[1] != "" {
			p.facts = append(p.facts, f)
		}
	}
	return p
}

// ServeHTTP answers / with the page, as text unless a browser asks, and /health.
func (p *webPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		status = http.StatusMethodNotAllowed
		http.Error(w, "only GET", status)
	case r.URL.Path == "/health":
		fmt.Fprintln(w, "ok")
	case r.URL.Path != "/":
		status = http.StatusNotFound
		http.Error(w, "there is / and /health", status)
	default:
		p.page(w, r)
	}
	p.s.printf("%s %s %s %d\n", p.s.time().UTC().Format(time.RFC3339), r.Method, r.URL.Path, status)
}

func (p *webPage) page(w http.ResponseWriter, r *http.Request) {
	facts := append(p.facts[:len(p.facts):len(p.facts)], [2]string{"Uptime", brief(p.s.time().Sub(p.begun))})
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		for _, f := range facts {
			fmt.Fprintf(w, "%-10s  %s\n", f[0], f[1])
		}
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = webTemplate().Execute(w, facts)
}

func webTemplate() *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>selfheal demo</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1rem; color: #1c2b33; background: #f6f8f9 }
  h1 { font-weight: 600 } h1 b { color: #0a8f5b }
  td { padding: .2rem 1.5rem .2rem 0 } td + td { font-family: ui-monospace, monospace }
</style>
<h1><b>●</b> This instance is well.</h1>
<p>Kill its node: another one takes its place in a moment, at an address of its own.</p>
<table>{{range .}}<tr><td>{{index . 0}}</td><td>{{index . 1}}</td></tr>{{end}}</table>
`))
}

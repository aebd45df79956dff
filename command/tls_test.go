package command

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
)

// What tls makes serves and is believed by the roles that it is for.
func TestCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, line := range []string{
		"tls ca create -name-constraint -additional-domain example.com",
		"tls cert create -server -region eu -additional-dnsname node7.example.com -additional-ipaddress 10.0.0.7",
		"tls cert create -server -region eu",
		"tls cert create -cli",
	} {
		if r := execute(t, "", "", strings.Fields(line)...); r.code != 0 {
			t.Fatalf("%s: %s", line, r.err)
		}
	}
	pair, err := tls.LoadX509KeyPair("eu-server-nomad.pem", "eu-server-nomad-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("nomad-agent-ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	verify := func(path, name string, usage x509.ExtKeyUsage) error {
		c, err := readCertificate(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	if len(pair.Certificate) != 1 {
		t.Errorf("%d certificates", len(pair.Certificate))
	}
	for _, name := range []string{"server.eu.nomad", "localhost", "node7.example.com", "10.0.0.7", "127.0.0.1"} {
		if err := verify("eu-server-nomad.pem", name, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := verify("eu-server-nomad.pem", "server.us.nomad", x509.ExtKeyUsageServerAuth); err == nil {
		t.Error("valid for another region")
	}
	if err := verify("eu-server-nomad-2.pem", "server.eu.nomad", x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
	if err := verify("global-cli-nomad.pem", "cli.global.nomad", x509.ExtKeyUsageServerAuth); err == nil {
		t.Error("a person's certificate serves")
	}
	if info, err := os.Stat("nomad-agent-ca-key.pem"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v, %v", info.Mode(), err)
	}
	if r := execute(t, "", "", "tls", "cert", "info", "eu-server-nomad.pem"); !strings.Contains(r.out, "server.eu.nomad,localhost,node7.example.com") || !strings.Contains(r.out, "for 1y") && !strings.Contains(r.out, "for 365d") {
		t.Errorf("info: %s%s", r.out, r.err)
	}
	for line, want := range map[string]string{
		"tls ca create":                                        "it exists",
		"tls cert create":                                      "give one of -server, -client and -cli",
		"tls cert create -server -client":                      "give one of",
		"tls cert create -server -ca none.pem":                 "selfheal tls ca create makes one",
		"tls cert create -server -ca eu-server-nomad.pem":      "not of an authority",
		"tls cert create -cli -key eu-server-nomad-key.pem":    "is not the key of",
		"tls cert create -server -additional-dnsname evil.org": "does not vouch",
	} {
		if r := execute(t, "", "", strings.Fields(line)...); r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
	}
}

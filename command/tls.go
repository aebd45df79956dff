package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func tlsVerbs() entries {
	return entries{
		noun("tls", "Make certificates for a cluster"),
		noun("tls ca", "Make the authority that signs them"),
		{name: "tls ca create", make: tlsCACreate},
		{name: "tls ca info", make: func() verb { return tlsInfo("an authority") }},
		noun("tls cert", "Make certificates of servers, clients and people"),
		{name: "tls cert create", make: tlsCertCreate},
		{name: "tls cert info", make: func() verb { return tlsInfo("a certificate") }},
	}
}

// Certificates live this long unless -days says otherwise.
const (
	caDays   = 1825
	certDays = 365
)

// clockSlack is how long ago a new certificate became valid, for machines whose
// clock is behind.
const clockSlack = 5 * time.Minute

func tlsCACreate() verb {
	days := caDays
	domain, name := "nomad", ""
	var domains []string
	var constraint bool
	return verb{
		max: 0, local: true,
		short: "Make a certificate authority",
		long:  "Makes a certificate authority: DOMAIN-agent-ca.pem, which every agent gets, and DOMAIN-agent-ca-key.pem, which signs certificates and stays where nobody else is. Files that exist are left alone.",
		flags: []flagRow{
			{"days", "N", fmt.Sprintf("Valid for this many days (default %d).", caDays), &days, nil},
			{"domain", "NAME", "The end of the names that it signs (default nomad).", &domain, nil},
			{"common-name", "NAME", "What it is called.", &name, nil},
			{"name-constraint", "", "Let it sign names of the domain, localhost and -additional-domain only.", &constraint, nil},
			{"additional-domain", "NAME", "With -name-constraint: names of this domain as well; may be repeated.", &domains, nil},
		},
		run: func(s *session, _ []string) error {
			if days <= 0 {
				return usagef("-days must be above 0")
			}
			if len(domains) > 0 && !constraint {
				return usagef("-additional-domain wants -name-constraint as well")
			}
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return fmt.Errorf("make key: %w", err)
			}
			t, err := s.template(days)
			if err != nil {
				return err
			}
			if name == "" {
				name = fmt.Sprintf("Selfheal Agent CA %s", t.SerialNumber)
			}
			t.Subject = pkix.Name{CommonName: name}
			t.IsCA, t.BasicConstraintsValid = true, true
			t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
			if constraint {
				t.PermittedDNSDomainsCritical = true
				t.PermittedDNSDomains = append([]string{domain, "localhost"}, domains...)
			}
			der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
			if err != nil {
				return fmt.Errorf("make authority: %w", err)
			}
			return s.writePair(domain+"-agent-ca", "CA certificate", der, key)
		},
	}
}

// template is the beginning of every certificate.
func (s *session) template(days int) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	now := s.time()
	return &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-clockSlack), NotAfter: now.AddDate(0, 0, days)}, nil
}

// writePair writes a certificate and its key beside it. Neither may exist.
func (s *session) writePair(base, what string, der []byte, key *ecdsa.PrivateKey) error {
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	certPath, keyPath := base+".pem", base+"-key.pem"
	for _, path := range []string{certPath, keyPath} {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("write %s: it exists; remove it, or work in another directory", path)
		}
	}
	if err := writeNew(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return err
	}
	s.printf("==> %s saved to %s\n", what, certPath)
	if err := writeNew(keyPath, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	s.printf("==> %s key saved to %s\n", what, keyPath)
	return nil
}

// certFlags are the flags of tls cert create.
type certFlags struct {
	server, client, cli         bool
	days                        int
	domain, region, caCert, key string
	names, addresses            []string
}

func (f *certFlags) rows() []flagRow {
	f.days, f.domain, f.region = certDays, "nomad", "global"
	return []flagRow{
		{"server", "", "For a server: server.REGION.DOMAIN.", &f.server, nil},
		{"client", "", "For a client: client.REGION.DOMAIN.", &f.client, nil},
		{"cli", "", "For a person at the command line: cli.REGION.DOMAIN.", &f.cli, nil},
		{"days", "N", fmt.Sprintf("Valid for this many days (default %d).", certDays), &f.days, nil},
		{"domain", "NAME", "The end of the name (default nomad).", &f.domain, nil},
		{"region", "NAME", "The region of the agent (default global).", &f.region, nil},
		{"cluster-region", "NAME", "The older name of -region.", &f.region, nil},
		{"ca", "PATH", "The authority (default DOMAIN-agent-ca.pem).", &f.caCert, nil},
		{"key", "PATH", "Its key (default DOMAIN-agent-ca-key.pem).", &f.key, nil},
		{"additional-dnsname", "NAME", "Valid for this name as well; may be repeated.", &f.names, nil},
		{"additional-ipaddress", "IP", "Valid for this address as well; may be repeated.", &f.addresses, nil},
	}
}

// role is what the certificate is for: server, client or cli.
func (f *certFlags) role() (string, error) {
	var roles []string
	for role, on := range map[string]bool{"server": f.server, "client": f.client, "cli": f.cli} {
		if on {
			roles = append(roles, role)
		}
	}
	if len(roles) != 1 {
		return "", usagef("give one of -server, -client and -cli")
	}
	return roles[0], nil
}

func tlsCertCreate() verb {
	var f certFlags
	return verb{
		max: 0, local: true,
		short: "Make a certificate that the authority signs",
		long: `Makes REGION-ROLE-DOMAIN.pem and its key, signed by the authority of tls ca create, whose files it looks for in this directory.

  selfheal tls ca create
  selfheal tls cert create -server
  selfheal tls cert create -client -additional-dnsname node7.example.com`,
		flags: f.rows(),
		run: func(s *session, _ []string) error {
			role, err := f.role()
			if err != nil {
				return err
			}
			ca, signer, err := f.authority()
			if err != nil {
				return err
			}
			t, err := s.template(f.days)
			if err != nil {
				return err
			}
			if err := f.describe(t, role); err != nil {
				return err
			}
			if t.NotAfter.After(ca.NotAfter) {
				s.warn(fmt.Sprintf("the authority itself expires earlier, on %s", ca.NotAfter.UTC().Format(time.DateOnly)))
			}
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return fmt.Errorf("make key: %w", err)
			}
			der, err := x509.CreateCertificate(rand.Reader, t, ca, key.Public(), signer)
			if err != nil {
				return fmt.Errorf("sign certificate: %w", err)
			}
			made, err := x509.ParseCertificate(der)
			if err != nil {
				return fmt.Errorf("check certificate: %w", err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(ca)
			if _, err := made.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: s.time(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				return fmt.Errorf("check certificate: the authority does not vouch for it: %w", err)
			}
			base := f.free(role)
			return s.writePair(base, strings.ToUpper(role[:1])+role[1:]+" Certificate", der, key)
		},
	}
}

// free is the first file name that is not taken: one host has many agents of a role.
func (f *certFlags) free(role string) string {
	base := f.region + "-" + role + "-" + f.domain
	for i := 1; ; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if _, err := os.Lstat(name + ".pem"); err != nil {
			return name
		}
	}
}

// describe fills in whom the certificate names and what it is good for.
func (f *certFlags) describe(t *x509.Certificate, role string) error {
	if f.days <= 0 {
		return usagef("-days must be above 0")
	}
	name := role + "." + f.region + "." + f.domain
	t.Subject = pkix.Name{CommonName: name}
	t.BasicConstraintsValid = true
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.DNSNames = append([]string{name, "localhost"}, f.names...)
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, text := range f.addresses {
		ip := net.ParseIP(text)
		if ip == nil {
			return usagef("-additional-ipaddress wants an IP address, not %q", text)
		}
		t.IPAddresses = append(t.IPAddresses, ip)
	}
	// Every agent both asks and answers; a person only asks.
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if role != "cli" {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return nil
}

// authority reads the certificate and key that sign.
func (f *certFlags) authority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if f.caCert == "" {
		f.caCert = f.domain + "-agent-ca.pem"
	}
	if f.key == "" {
		f.key = f.domain + "-agent-ca-key.pem"
	}
	ca, err := readCertificate(f.caCert)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("read authority: %w (selfheal tls ca create makes one; -ca and -key name another)", err)
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(f.key)
	if err != nil {
		return nil, nil, fmt.Errorf("read authority's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, fmt.Errorf("read authority's key: %s is not PEM", f.key)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		parsed, pkcsErr := x509.ParsePKCS8PrivateKey(block.Bytes)
		ec, ok := parsed.(*ecdsa.PrivateKey)
		if pkcsErr != nil || !ok {
			return nil, nil, fmt.Errorf("read authority's key: %s: want an ECDSA key: %w", f.key, err)
		}
		key = ec
	}
	if !ca.IsCA {
		return nil, nil, fmt.Errorf("read authority: %s is the certificate of an agent, not of an authority", f.caCert)
	}
	if !key.PublicKey.Equal(ca.PublicKey) {
		return nil, nil, fmt.Errorf("read authority: %s is not the key of %s", f.key, f.caCert)
	}
	return ca, key, nil
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("read certificate: %s holds no certificate", path)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %s: %w", path, err)
	}
	return c, nil
}

func tlsInfo(what string) verb {
	var o output
	return verb{
		args: "FILE", min: 1, max: 1, local: true,
		short: "Show what " + what + " says",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := readCertificate(args[0])
			if err != nil {
				return err
			}
			info := struct {
				CommonName, Serial  string
				CA                  bool
				NotBefore, NotAfter time.Time
				DNSNames, Addresses []string
			}{c.Subject.CommonName, c.SerialNumber.String(), c.IsCA, c.NotBefore.UTC(), c.NotAfter.UTC(), slices.Clone(c.DNSNames), nil}
			for _, ip := range c.IPAddresses {
				info.Addresses = append(info.Addresses, ip.String())
			}
			if o.wanted() {
				return o.print(s, info)
			}
			left := "expired"
			if info.NotAfter.After(s.time()) {
				left = "for " + brief(info.NotAfter.Sub(s.time()))
			}
			s.pairs([2]string{"File", filepath.Base(args[0])}, [2]string{"Common Name", info.CommonName}, [2]string{"Serial", info.Serial},
				[2]string{"CA", fmt.Sprint(info.CA)}, [2]string{"Not Before", info.NotBefore.Format(time.RFC3339)},
				[2]string{"Not After", info.NotAfter.Format(time.RFC3339)}, [2]string{"Valid", left},
				[2]string{"DNS Names", strings.Join(info.DNSNames, ",")}, [2]string{"IP Addresses", strings.Join(info.Addresses, ",")})
			return nil
		},
	}
}

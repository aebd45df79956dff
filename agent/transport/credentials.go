package transport

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"strings"
	"time"
)

// Certificates that agents make are valid always: what they are worth depends
// on the cluster key, not on clocks, and a node with a wrong clock must still
// be able to join.
var (
	notBefore = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // a synctest bubble starts a day later
	notAfter  = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
)

// caName is the subject of the derived CA.
var caName = pkix.Name{CommonName: "Selfheal cluster CA"}

// credentials are this agent's certificate and the CA that peers are checked against.
type credentials struct {
	leaf  tls.Certificate
	roots *x509.CertPool // nil: peers are not checked
}

func loadCredentials(cfg Config) (*credentials, error) {
	switch {
	case cfg.CAFile != "" || cfg.CertFile != "" || cfg.KeyFile != "":
		return fromFiles(cfg)
	case len(cfg.ClusterKey) > 0:
		return fromKey(cfg)
	default:
		return selfSigned(cfg)
	}
}

func fromFiles(cfg Config) (*credentials, error) {
	var pem [3][]byte
	for i, f := range []struct{ name, value string }{
		{"ca_file", cfg.CAFile}, {"cert_file", cfg.CertFile}, {"key_file", cfg.KeyFile},
	} {
		if f.value == "" {
			return nil, fmt.Errorf("transport: tls: set %s too: ca_file, cert_file and key_file go together", f.name)
		}
		b, err := readPEM(f.value)
		if err != nil {
			return nil, fmt.Errorf("transport: tls: %s: %w", f.name, err)
		}
		pem[i] = b
	}
	c := &credentials{roots: x509.NewCertPool()}
	if !c.roots.AppendCertsFromPEM(pem[0]) {
		return nil, errors.New("transport: tls: ca_file holds no PEM certificate")
	}
	var err error
	if c.leaf, err = tls.X509KeyPair(pem[1], pem[2]); err != nil {
		return nil, fmt.Errorf("transport: tls: cert_file and key_file: %w", err)
	}
	return c, nil
}

// readPEM takes a path or the PEM text itself.
func readPEM(value string) ([]byte, error) {
	if strings.Contains(value, "-----BEGIN ") {
		return []byte(value), nil
	}
	return os.ReadFile(value)
}

// fromKey derives the CA that every agent with the same key derives, and has
// it sign a leaf for a key pair that nobody else knows.
//
//	ed25519 seed = HKDF-SHA256(key, salt "selfheal", info "cluster CA v1")
//
// Ed25519 signs without randomness, so the CA's certificate is the same bytes
// on every agent.
func fromKey(cfg Config) (*credentials, error) {
	seed, err := hkdf.Key(sha256.New, cfg.ClusterKey, []byte("selfheal"), "cluster CA v1", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("transport: derive the cluster CA: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: caName, NotBefore: notBefore, NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("transport: derive the cluster CA: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("transport: derive the cluster CA: %w", err)
	}
	c := &credentials{roots: x509.NewCertPool()}
	c.roots.AddCert(ca)
	c.leaf, err = mint(cfg, ca, key)
	return c, err
}

func selfSigned(cfg Config) (*credentials, error) {
	leaf, err := mint(cfg, nil, nil)
	return &credentials{leaf: leaf}, err
}

// mint makes a key pair and a certificate for this agent, signed by ca or,
// without one, by itself.
func mint(cfg Config, ca *x509.Certificate, signer ed25519.PrivateKey) (tls.Certificate, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("transport: make a certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("transport: make a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cfg.NodeID},
		NotBefore: notBefore, NotAfter: notAfter,
		URIs:        []*url.URL{identityURI(cfg.Region, cfg.Role, cfg.NodeID)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ca == nil {
		ca, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, pub, signer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("transport: make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("transport: make a certificate: region %q: use letters, digits, '-' and '_': %w", cfg.Region, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// server is the TLS configuration of accepted connections.
func (c *credentials) server(protocols []string) *tls.Config {
	t := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{c.leaf},
		NextProtos:   protocols,
		ClientAuth:   tls.RequireAnyClientCert,
		// Every handshake checks the certificates anew; connections are few and long.
		SessionTicketsDisabled: true,
	}
	if c.roots != nil {
		t.ClientAuth, t.ClientCAs = tls.RequireAndVerifyClientCert, c.roots
	}
	return t
}

// client is the TLS configuration of dialled connections. Peers are known by
// the CA that signed them and not by host name: an address belongs to whoever
// has it today.
func (c *credentials) client(protocols []string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{c.leaf},
		NextProtos:         protocols,
		InsecureSkipVerify: true, // verify does it, without the host name
		VerifyConnection:   c.verify,
	}
}

func (c *credentials) verify(state tls.ConnectionState) error {
	if c.roots == nil {
		return nil
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer has no certificate")
	}
	opts := x509.VerifyOptions{
		Roots: c.roots, Intermediates: x509.NewCertPool(), CurrentTime: time.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, cert := range state.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(opts)
	return err
}

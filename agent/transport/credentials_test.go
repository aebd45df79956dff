package transport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"testing"
)

// der returns a CA, a leaf and its private key, in DER. The CA is that of the
// test's own hand, so that files and derived credentials are told apart.
func der(t *testing.T, creds *credentials) (ca, leaf, private []byte) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: caName, NotBefore: notBefore, NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if ca, err = x509.CreateCertificate(rand.Reader, template, template, pub, key); err != nil {
		t.Fatal(err)
	}
	made := creds.leaf.Leaf
	parent, err := x509.ParseCertificate(ca)
	if err != nil {
		t.Fatal(err)
	}
	named := &x509.Certificate{
		SerialNumber: made.SerialNumber, NotBefore: notBefore, NotAfter: notAfter,
		DNSNames: []string{"server.global.nomad"}, ExtKeyUsage: made.ExtKeyUsage, KeyUsage: made.KeyUsage,
	}
	if leaf, err = x509.CreateCertificate(rand.Reader, named, parent, made.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	if private, err = x509.MarshalPKCS8PrivateKey(creds.leaf.PrivateKey); err != nil {
		t.Fatal(err)
	}
	return ca, leaf, private
}

func TestEveryAgentDerivesTheSameCA(t *testing.T) {
	subject := func(key []byte, i int) *credentials {
		cfg := config(i, dialer{})
		cfg.ClusterKey = key
		c, err := fromKey(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b, other := subject(keyA, 1), subject(keyA, 2), subject(keyB, 1)
	if !a.roots.Equal(b.roots) {
		t.Error("two agents with one key derive different CAs")
	}
	if a.roots.Equal(other.roots) {
		t.Error("two keys derive the same CA")
	}
	if bytes.Equal(a.leaf.Leaf.PublicKey.(ed25519.PublicKey), b.leaf.Leaf.PublicKey.(ed25519.PublicKey)) {
		t.Error("two agents share a key pair")
	}
}

// TestDerivation pins the CA's public key: a change would split a cluster in
// two while it is being upgraded.
func TestDerivation(t *testing.T) {
	pub, err := hex.DecodeString("797bb2ed9a5e780a5c65c50154efb22831b6c7aee5f2d808d0fe0151606f47bc")
	if err != nil {
		t.Fatal(err)
	}
	c, err := fromKey(config(1, dialer{}))
	if err != nil {
		t.Fatal(err)
	}
	if leaf := c.leaf.Leaf; !ed25519.Verify(pub, leaf.RawTBSCertificate, leaf.Signature) {
		t.Error("the leaf is signed by another key than in earlier versions")
	}
}

func TestPeerIn(t *testing.T) {
	cfg := config(1, dialer{})
	self, err := selfSigned(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		want Peer
	}{
		{"ours", self.leaf.Leaf, Peer{NodeID: "node-1", Role: RoleServer, Region: "global"}},
		{"server of this stack", &x509.Certificate{DNSNames: []string{"localhost", "server.eu.nomad"}}, Peer{Role: RoleServer, Region: "eu"}},
		{"client of this stack", &x509.Certificate{DNSNames: []string{"client.eu-1.nomad"}}, Peer{Role: RoleClient, Region: "eu-1"}},
		{"something else", &x509.Certificate{DNSNames: []string{"www.example.com", "cli.eu.nomad"}}, Peer{}},
	} {
		if got := peerIn(c.cert); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

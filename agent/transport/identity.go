package transport

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
)

// Roles of an agent, in its certificate. An agent that is both is a server.
const (
	RoleServer = "server"
	RoleClient = "client"
)

// Peer is who is at the other end of a connection, as its certificate says.
type Peer struct {
	NodeID string // empty when the certificate names none
	Role   string // RoleServer, RoleClient, or empty when the certificate names none
	Region string

	// Authenticated is whether the certificate was checked against the
	// cluster's CA. If not, the rest is a claim.
	Authenticated bool
}

// PeerOf answers who is this peer, for a connection that this agent accepted
// (http.Request.TLS, or the state of a *tls.Conn from RaftListener). For a
// connection that it dialled, Probe answers. State may be nil.
func PeerOf(state *tls.ConnectionState) Peer {
	if state == nil || len(state.PeerCertificates) == 0 {
		return Peer{}
	}
	p := peerIn(state.PeerCertificates[0])
	p.Authenticated = len(state.VerifiedChains) > 0
	return p
}

// scheme of the identity URI.
const scheme = "selfheal"

func identityURI(region, role, nodeID string) *url.URL {
	return &url.URL{Scheme: scheme, Host: region, Path: "/" + role + "/" + nodeID}
}

// peerIn reads the identity URI or, in certificates made for other members of
// this stack, the DNS name <role>.<region>.nomad.
func peerIn(cert *x509.Certificate) Peer {
	for _, u := range cert.URIs {
		role, id, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if u.Scheme == scheme && ok {
			return Peer{NodeID: id, Role: role, Region: u.Host}
		}
	}
	for _, name := range cert.DNSNames {
		role, rest, _ := strings.Cut(name, ".")
		region, ok := strings.CutSuffix(rest, ".nomad")
		if ok && (role == RoleServer || role == RoleClient) {
			return Peer{Role: role, Region: region}
		}
	}
	return Peer{}
}

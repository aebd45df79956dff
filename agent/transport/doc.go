// Package transport is the cluster port (rpc, 4647): TLS 1.3 always, several
// protocols side by side, and the one place that answers "who is this peer".
//
//	                accept    handshake (5 s, one goroutine each)     ALPN
//	peers ---TCP---> Serve ---> TLS 1.3, certificates both ways ---> h2, http/1.1      --> HTTPListener
//	                                      |                     |--> selfheal-raft/1  --> RaftListener
//	                                      v                     `--> selfheal-probe/1 --> closed: being answered is all it wants
//	                                 PeerOf(state)
//
//	Client, UpgradeClient (HTTP), DialRaft, Probe ---> other agents' cluster ports
//
// Where the certificates come from:
//
//	tls files given    those; each side checks the other against the CA file
//	a cluster key      a CA that every agent derives from the key, and a leaf that
//	                   this agent mints for itself at start
//	neither            a self-signed leaf that says who it is and that nobody
//	                   checks; everything works, and one warning says so loudly
//
// An identity is a URI in the certificate: selfheal://region/role/node-id.
package transport

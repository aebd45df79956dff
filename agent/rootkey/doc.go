// Package rootkey is the cluster's root keyring: it encrypts variables, and signs
// the identities that tasks and nodes show to others.
//
//	key-encryption key (KEK): a file on every server, or a row of the state
//	    │ AES-256-GCM
//	    ▼
//	root key: 32 bytes ── AES-256-GCM ──▶ the items of variables
//	    │     RSA-2048 ── RS256 ────────▶ identities (JWT)
//	    │                                    ▲
//	    └── its public half: JWKS, for all who verify
//
// Root keys live in the replicated state, sealed; so no server's disk is needed to
// read a variable. Exactly one is active; others open what they once sealed and
// verify what they once signed, until nothing needs them:
//
//	prepublished ──▶ active ──▶ inactive ──▶ rekeying ──▶ deprecated
//	                            (rotated)   (full rotation)  └─▶ deleted, as inactive ones are
//
// A Ring only reads the state and makes commands for it: who applies them, and when,
// is the leader's and the API's. It is safe for concurrent use.
package rootkey

package rootkey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/selfheal/selfheal/agent/state"
)

// keySize is that of AES-256, for key-encryption keys and for variables, in bytes.
const keySize = 32

// ErrNoKey: the first leader has not made a root key yet.
var ErrNoKey = errors.New("the root keyring has no active key yet: the leader makes one, try again")

// State is where root keys are found; *state.Store is the real one.
type State interface {
	Snapshot() *state.Snapshot
}

// Config of a Ring.
type Config struct {
	State State
	// KEK seals root keys: 32 bytes that every server is configured with. Nil: one that
	// is kept in the state, where a snapshot holds it beside what it seals.
	KEK []byte
	// Previous is the KEK before this one, for as long as it takes the leader to seal the
	// keys anew.
	Previous []byte
	// Region is part of the subject of identities.
	Region string
	// Issuer is the `iss` of identities and the base URL of OpenID discovery; "": none.
	Issuer string
}

// Ring opens root keys and uses them.
type Ring struct {
	cfg  Config
	keks map[string][]byte // the configured ones by ID

	mu   sync.Mutex
	open map[string]*opened // by key ID
}

// opened is a root key's secret half.
type opened struct {
	items  cipher.AEAD
	signer *rsa.PrivateKey
}

// New checks the configuration.
func New(cfg Config) (*Ring, error) {
	r := &Ring{cfg: cfg, keks: map[string][]byte{}, open: map[string]*opened{}}
	for _, key := range [][]byte{cfg.KEK, cfg.Previous} {
		if key == nil {
			continue
		}
		if len(key) != keySize {
			return nil, fmt.Errorf("a key-encryption key is %d bytes long, this one %d: make one with `openssl rand -base64 32`", keySize, len(key))
		}
		r.keks[kekID(key)] = key
	}
	return r, nil
}

// kekID names a key-encryption key without telling it.
func kekID(key []byte) string {
	sum := sha256.Sum256(append([]byte("selfheal key-encryption key\x00"), key...))
	return hex.EncodeToString(sum[:8])
}

// Seal encrypts the items of a variable with the active key. Only Open with the same
// namespace and path has them back.
func (r *Ring) Seal(namespace, path string, items map[string]string) (keyID string, sealed []byte, err error) {
	snap := r.cfg.State.Snapshot()
	active := snap.ActiveRootKey(nil)
	if active == nil {
		return "", nil, ErrNoKey
	}
	text, err := json.Marshal(items)
	if err != nil {
		return "", nil, fmt.Errorf("seal variable: %w", err)
	}
	k, err := r.unwrap(snap, active)
	if err != nil {
		return "", nil, fmt.Errorf("seal variable: %w", err)
	}
	return active.KeyID, seal(k.items, text, place(namespace, path)), nil
}

// Open decrypts the items of a variable.
func (r *Ring) Open(v *state.Variable) (map[string]string, error) {
	snap := r.cfg.State.Snapshot()
	text, err := r.plain(snap, v)
	if err != nil {
		return nil, fmt.Errorf("open variable %s: %w", v.Path, err)
	}
	var items map[string]string
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("open variable %s: %w", v.Path, err)
	}
	return items, nil
}

func (r *Ring) plain(snap *state.Snapshot, v *state.Variable) ([]byte, error) {
	row := snap.RootKey(nil, v.KeyID)
	if row == nil {
		return nil, fmt.Errorf("its root key %s was deleted", v.KeyID)
	}
	k, err := r.unwrap(snap, row)
	if err != nil {
		return nil, err
	}
	return unseal(k.items, v.Sealed, place(v.Namespace, v.Path))
}

// place binds sealed items to where they belong, so that nobody who can write to the
// state moves them to a path that he may read.
func place(namespace, path string) []byte { return []byte(namespace + "\x00" + path) }

// Rekey re-encrypts up to limit variables of a key with the active one. Nil: there
// are none left.
func (r *Ring) Rekey(snap *state.Snapshot, keyID string, limit int) (*state.RekeyVariables, error) {
	active := snap.ActiveRootKey(nil)
	if active == nil {
		return nil, ErrNoKey
	}
	k, err := r.unwrap(snap, active)
	if err != nil {
		return nil, fmt.Errorf("rekey variables: %w", err)
	}
	cmd := &state.RekeyVariables{}
	for v := range snap.VariablesOfKey(nil, keyID) {
		if len(cmd.Variables) == limit {
			break
		}
		text, err := r.plain(snap, v)
		if err != nil {
			return nil, fmt.Errorf("rekey variable %s: %w", v.Path, err)
		}
		cmd.Variables = append(cmd.Variables, state.RekeyedVariable{
			Namespace: v.Namespace, Path: v.Path, ModifyIndex: v.ModifyIndex, From: v.KeyID,
			KeyID: active.KeyID, Sealed: seal(k.items, text, place(v.Namespace, v.Path)),
		})
	}
	if len(cmd.Variables) == 0 {
		return nil, nil
	}
	return cmd, nil
}

// seal makes nonce and ciphertext. A random nonce is safe for 2^32 messages a key.
func seal(aead cipher.AEAD, plain, bound []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return aead.Seal(nonce, nonce, plain, bound)
}

func unseal(aead cipher.AEAD, sealed, bound []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("what is sealed is damaged: it is too short")
	}
	return aead.Open(nil, sealed[:n], sealed[n:], bound)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

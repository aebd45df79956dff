package rootkey

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/hashicorp/go-uuid"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// signBits is the size of signing keys: what RS256 asks for at least (RFC 7518, 3.3).
const signBits = 2048

// material is the secret half of a root key, as it is sealed.
type material struct {
	Items []byte // AES-256
	Sign  []byte // RSA, PKCS #8
}

// Make makes a new root key: active at once, or prepublished when publishAt is not
// zero. It takes a tenth of a second, nearly all of it to find an RSA key.
func (r *Ring) Make(publishAt time.Time) (*state.AddRootKey, error) {
	snap := r.cfg.State.Snapshot()
	if active := snap.ActiveRootKey(nil); active != nil {
		// A server that lost its key file must not go on with a key in the state.
		if _, err := r.unwrap(snap, active); err != nil {
			return nil, fmt.Errorf("make root key: %w", err)
		}
	}
	signer, err := rsa.GenerateKey(rand.Reader, signBits)
	if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	id, err := uuid.GenerateUUID()
	if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	m := material{Items: random(keySize)}
	if m.Sign, err = x509.MarshalPKCS8PrivateKey(signer); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: signer.Public(), KeyID: id, Algorithm: string(jose.RS256), Use: "sig"})
	if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	cmd := &state.AddRootKey{Key: state.RootKey{
		RootKeyMeta: api.RootKeyMeta{KeyID: id, Algorithm: api.EncryptionAlgorithmAES256GCM}, Public: public,
	}}
	if !publishAt.IsZero() {
		cmd.Key.PublishTime = publishAt.UnixNano()
	}
	kek, fresh := r.sealingKEK(snap)
	cmd.KEK = fresh
	cmd.Key.KEK = kekID(kek)
	cmd.Key.Wrapped, err = wrap(kek, id, m)
	return cmd, err
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// sealingKEK is the key that root keys are sealed with from now on: the configured
// one, else that of the state, else a fresh one, which then goes into the state.
func (r *Ring) sealingKEK(snap *state.Snapshot) (kek []byte, fresh *state.KeyEncryptionKey) {
	if r.cfg.KEK != nil {
		return r.cfg.KEK, nil
	}
	if kept := snap.KeyEncryptionKey(nil); kept != nil {
		return kept.Key, nil
	}
	kek = random(keySize)
	return kek, &state.KeyEncryptionKey{ID: kekID(kek), Key: kek}
}

// Rewrap seals the keys with the present KEK that are sealed with another, as after it
// was configured. Nil: all are.
func (r *Ring) Rewrap(snap *state.Snapshot) (*state.WrapRootKeys, error) {
	cmd := &state.WrapRootKeys{}
	var kek []byte
	for k := range snap.RootKeys(nil) {
		if kek == nil {
			kek, cmd.KEK = r.sealingKEK(snap)
		}
		if k.KEK == kekID(kek) {
			continue
		}
		m, err := r.material(snap, k)
		if err != nil {
			return nil, fmt.Errorf("seal root keys anew: %w", err)
		}
		wrapped, err := wrap(kek, k.KeyID, m)
		if err != nil {
			return nil, err
		}
		cmd.Keys = append(cmd.Keys, state.WrappedKey{KeyID: k.KeyID, KEK: kekID(kek), Wrapped: wrapped})
	}
	if len(cmd.Keys) == 0 {
		return nil, nil
	}
	return cmd, nil
}

func wrap(kek []byte, keyID string, m material) ([]byte, error) {
	aead, err := newAEAD(kek)
	if err != nil {
		return nil, fmt.Errorf("seal root key: %w", err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("seal root key: %w", err)
	}
	return seal(aead, text, []byte(keyID)), nil
}

// material opens a root key's secret half.
func (r *Ring) material(snap *state.Snapshot, k *state.RootKey) (material, error) {
	kek, ok := r.keks[k.KEK]
	if kept := snap.KeyEncryptionKey(nil); !ok && kept != nil && kept.ID == k.KEK {
		kek, ok = kept.Key, true
	}
	if !ok {
		return material{}, fmt.Errorf("root key %s is sealed with key-encryption key %s, which this server does not have: give it in keyring { key_file } or { previous_key_file }", k.KeyID, k.KEK)
	}
	aead, err := newAEAD(kek)
	if err != nil {
		return material{}, fmt.Errorf("open root key %s: %w", k.KeyID, err)
	}
	text, err := unseal(aead, k.Wrapped, []byte(k.KeyID))
	if err != nil {
		return material{}, fmt.Errorf("open root key %s: %w", k.KeyID, err)
	}
	var m material
	if err := json.Unmarshal(text, &m); err != nil {
		return material{}, fmt.Errorf("open root key %s: %w", k.KeyID, err)
	}
	return m, nil
}

// unwrap opens a root key, once.
func (r *Ring) unwrap(snap *state.Snapshot, row *state.RootKey) (*opened, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.open[row.KeyID]; k != nil {
		return k, nil
	}
	for id := range r.open { // those that were deleted since
		if snap.RootKey(nil, id) == nil {
			delete(r.open, id)
		}
	}
	m, err := r.material(snap, row)
	if err != nil {
		return nil, err
	}
	k := &opened{}
	if k.items, err = newAEAD(m.Items); err != nil {
		return nil, fmt.Errorf("open root key %s: %w", row.KeyID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(m.Sign)
	if err != nil {
		return nil, fmt.Errorf("open root key %s: %w", row.KeyID, err)
	}
	signer, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("open root key " + row.KeyID + ": it does not sign with RSA")
	}
	k.signer = signer
	r.open[row.KeyID] = k
	return k, nil
}

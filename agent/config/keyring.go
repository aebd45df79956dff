package config

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Keyring is the keyring "aead" block: where the key-encryption key of the root keyring
// is. Without one it is in the cluster's state, and a snapshot holds it.
type Keyring struct {
	// Active is read for the files of others: there is one keyring, and it is active.
	Active bool `hcl:"active"`
	// KeyFile holds base64 of 32 bytes, the same on every server.
	KeyFile string `hcl:"key_file"`
	// PreviousKeyFile is the file before KeyFile, until the leader has sealed the keys anew.
	PreviousKeyFile string `hcl:"previous_key_file"`
}

// keyringProvider is the only label of a keyring block.
const keyringProvider = "aead"

// KEKs reads the key-encryption keys; nil where none is configured.
func (c *Config) KEKs() (key, previous []byte, err error) {
	k := c.Keyring[keyringProvider]
	if key, err = readKEK(k.KeyFile); err != nil {
		return nil, nil, fmt.Errorf("keyring %q: key_file: %w", keyringProvider, err)
	}
	if previous, err = readKEK(k.PreviousKeyFile); err != nil {
		return nil, nil, fmt.Errorf("keyring %q: previous_key_file: %w", keyringProvider, err)
	}
	return key, previous, nil
}

// kekSize is that of AES-256 in bytes.
const kekSize = 32

func readKEK(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != kekSize {
		return nil, fmt.Errorf("%s does not hold base64 of %d bytes: make it with `openssl rand -base64 %d`", path, kekSize, kekSize)
	}
	return key, nil
}

// checkKeyring refuses what is not one keyring, and an issuer that nobody could reach.
func checkKeyring(c *Config, k *checker) {
	for label := range c.Keyring {
		if label != keyringProvider {
			k.fail("keyring."+label, "is not supported: there is keyring %q { key_file = ... }, with a key of your own", keyringProvider)
		}
	}
	if issuer := c.Server.OIDCIssuer; issuer != "" {
		u, err := url.Parse(issuer)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			k.fail("server.oidc_issuer", "wants a URL under which /.well-known/ is reached, such as \"https://selfheal.example.com\", not %q", issuer)
		}
	}
}

package analysis

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// sealed begins every state; the number is that of the form. What follows is JSON,
// compressed, in base64: gzip has a checksum, and a flipped digit is found.
const sealed = "analysis/2:"

// maxOpened bounds what a state is when it is opened, which a few bytes could
// claim to be gigabytes.
const maxOpened = 16 << 20

func seal(s any) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(s); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return sealed + base64.RawStdEncoding.EncodeToString(b.Bytes()), nil
}

func unseal(text string, into any) error {
	encoded, found := strings.CutPrefix(text, sealed)
	if !found {
		return fmt.Errorf("it does not begin with %q", sealed)
	}
	packed, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	z.Multistream(false)
	plain, err := io.ReadAll(io.LimitReader(z, maxOpened+1))
	switch {
	case err != nil:
		return err
	case len(plain) > maxOpened:
		return fmt.Errorf("it is longer than %d MiB", maxOpened>>20)
	}
	return json.Unmarshal(plain, into)
}

func encode(codecs []codec) ([]string, error) {
	texts := make([]string, len(codecs))
	for i, c := range codecs {
		text, err := c.MarshalText()
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	return texts, nil
}

func decode(codecs []codec, texts []string) error {
	if len(codecs) != len(texts) {
		return fmt.Errorf("%d processes, want %d", len(texts), len(codecs))
	}
	for i, c := range codecs {
		if err := c.UnmarshalText([]byte(texts[i])); err != nil {
			return err
		}
	}
	return nil
}

package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// keyPrefix marks a key as the Standard Webhooks write it: base64 follows.
const keyPrefix = "whsec_"

// signature is the value of the header webhook-signature: one for each key, so
// that receivers can change keys while both are in use.
//
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func signature(keys [][]byte, id string, at time.Time, body []byte) string {
	var signatures []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp(at), body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}

// timestamp is the value of the header webhook-timestamp.
func timestamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// keys reads the keys in a text, one a line: base64 after whsec_, or the bytes
// as they stand. Its errors do not quote them.
func keys(text string) ([][]byte, error) {
	var all [][]byte
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		encoded, ok := strings.CutPrefix(line, keyPrefix)
		switch key, err := base64.StdEncoding.DecodeString(encoded); {
		case line == "":
		case !ok:
			all = append(all, []byte(line))
		case err != nil || len(key) == 0:
			return nil, errors.New("what follows " + keyPrefix + " is no base64")
		default:
			all = append(all, key)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return all, nil
}

// read returns a value that a webhook takes from a file or a variable, and where
// that is, in words. A file is read at each use: secrets are rotated.
func (c Config) read(file, variable string) (text, where string, err error) {
	if variable != "" {
		where = "the variable " + variable
		if text = c.Env(variable); text == "" {
			return "", where, fmt.Errorf("%s is not set", where)
		}
		return text, where, nil
	}
	where = "the file " + file
	info, err := os.Stat(file)
	if err != nil {
		return "", where, err
	}
	if !info.Mode().IsRegular() { // a pipe could be waited for without an end
		return "", where, fmt.Errorf("%s is no regular file", where)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", where, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, mostAnswer))
	return string(raw), where, err
}

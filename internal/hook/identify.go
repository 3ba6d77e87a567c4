package hook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// identify names a message by its content and a time. It has no full stop, which
// would part the fields of what is signed.
func identify(kind string, body []byte, at time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d.%s", at.UnixNano(), body))
	return kind + "_" + hex.EncodeToString(sum[:12])
}

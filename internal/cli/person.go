package cli

import (
	"cmp"
	"os"
	"os/user"
)

// person is who gives this command, as a release remembers it: for people, who
// want to know whom to ask. It proves nothing; the API server knows who it was.
func person(f *Factory) string {
	if f.config.As != "" {
		return f.config.As
	}
	name := cmp.Or(os.Getenv("USER"), os.Getenv("USERNAME"))
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	return cmp.Or(name, "somebody")
}

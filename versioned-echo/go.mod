module github.com/canaryctl/canaryctl/versioned-echo

go 1.26.0

package main

const readmeHead = `# Definitions of other projects

The lab installs these CustomResourceDefinitions, so that what is written for those projects is
validated by a real API server. They are the work of the projects named, under the Apache License 2.0,
and are taken out of their Go modules by ` + "`go generate ./internal/crds`" + ` (see ` + "`gen/`" + `), with three changes: descriptions are
left out; in those of Argo Rollouts an embedded Pod spec may be any object; and an annotation carries a digest of the rest.
Do not edit them, or this file.

| definition | project | Go module |
|---|---|---|
`

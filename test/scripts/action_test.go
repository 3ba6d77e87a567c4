package scripts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const actionFile = ".github/actions/release/action.yml"

// steps are those of an action or of a workflow's jobs that are scripts.
type steps struct {
	Inputs map[string]any
	Runs   struct{ Steps []step }
	Jobs   map[string]job
}

type job struct {
	Uses  string
	Steps []step
}

type step struct {
	ID, Run, Uses string
	Env           map[string]string
}

func readSteps(t *testing.T, name string) steps {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return parseSteps(t, text)
}

func parseSteps(t *testing.T, text []byte) steps {
	t.Helper()
	var s steps
	if err := yaml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// releaseStep is the step of the action that releases.
func releaseStep(t *testing.T) step {
	t.Helper()
	all := readSteps(t, actionFile).Runs.Steps
	i := slices.IndexFunc(all, func(s step) bool { return s.ID == "release" })
	if i < 0 {
		t.Fatal("no step is called release")
	}
	return all[i]
}

// actionCommand is that step as a runner starts it, with the inputs by name and
// a stand-in for canaryctl.
func actionCommand(t *testing.T, canaryctl string, inputs map[string]string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "canaryctl"), canaryctl, 0o755)
	script := releaseStep(t)
	write(t, filepath.Join(dir, "script.sh"), script.Run, 0o644)
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", filepath.Join(dir, "script.sh"))
	cmd.Env = append(os.Environ(), "CANARYCTL="+filepath.Join(dir, "canaryctl"))
	value := regexp.MustCompile(`^\$\{\{ inputs\.([a-z]+) \}\}$`)
	for name, text := range script.Env {
		if input := value.FindStringSubmatch(text); input != nil {
			cmd.Env = append(cmd.Env, name+"="+inputs[input[1]])
		}
	}
	return cmd
}

func TestActionCallsCanaryctl(t *testing.T) {
	const says = "#!/usr/bin/env bash\nprintf '%s\\n' \"$@\"\nexit 3\n"
	for _, tt := range []struct {
		name   string
		inputs map[string]string
		want   []string
	}{
		{"the least", map[string]string{"image": "echo:v2", "record": "r.jsonl"}, []string{"release", "--image", "echo:v2", "--record", "r.jsonl", "--github"}},
		{
			"all, and nothing that a shell would read",
			map[string]string{"image": "$(id) *", "record": "a b.jsonl", "plan": "p;q.yaml", "app": "-x", "namespace": "shop", "kubeconfig": "/tmp/k c", "context": "`a`"},
			[]string{
				"release", "--image", "$(id) *", "--record", "a b.jsonl", "--github", "--filename", "p;q.yaml", "--app", "-x",
				"--namespace", "shop", "--kubeconfig", "/tmp/k c", "--context", "`a`",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := actionCommand(t, says, tt.inputs)
			out, err := cmd.Output()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Errorf("canaryctl ended with 3, and the step with %v", err)
			}
			if diff := cmp.Diff(tt.want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// A cancelled job interrupts the step's process alone; that must be canaryctl.
func TestActionPassesSignalsOn(t *testing.T) {
	const waits = "#!/usr/bin/env bash\ntrap 'exit 130' INT\necho ready\nwhile :; do sleep 0.05; done\n"
	cmd := actionCommand(t, waits, map[string]string{"image": "echo:v2", "record": "r"})
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("ended with %d", code)
	}
}

// What others give goes through the environment: in a script's text it would be
// run. Everything that is used has a version. That the scripts are sound is checked
// with the other ones: see TestShellcheck.
func TestWorkflowsAreSafe(t *testing.T) {
	for name, file := range workflows(t) {
		if n := checkSteps(t, name, file); n == 0 {
			t.Errorf("%s has no steps", name)
		}
	}
}

// workflows are those of the project, and its action, by the name of the file.
func workflows(t *testing.T) map[string]steps {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no workflows", err)
	}
	all := map[string]steps{}
	for _, path := range append(files, filepath.Join(root, actionFile)) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = readSteps(t, name)
	}
	return all
}

// The examples can be read, and those of GitHub Actions are as safe as ours.
func TestPipelinesAreSafe(t *testing.T) {
	checked := 0
	for name, file := range pipelines(t) {
		checked += checkSteps(t, name, file)
	}
	if checked < 5 {
		t.Errorf("only %d steps were found", checked)
	}
}

// pipelines are the workflows that the document shows, by their place in it.
func pipelines(t *testing.T) map[string]steps {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "pipelines.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]steps{}
	for i, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
		var raw map[string]any
		if err := yaml.UnmarshalStrict(block[1], &raw); err != nil {
			t.Errorf("block %d: %v", i, err)
		}
		if _, ok := raw["jobs"]; ok {
			all[fmt.Sprintf("docs/pipelines.md, block %d", i)] = parseSteps(t, block[1])
		}
	}
	return all
}

// all are the steps of an action or of every job, in order.
func (s steps) all() []step {
	all := s.Runs.Steps
	for _, name := range slices.Sorted(maps.Keys(s.Jobs)) {
		job := s.Jobs[name]
		all = append(all, job.Steps...)
		if job.Uses != "" {
			all = append(all, step{Uses: job.Uses})
		}
	}
	return all
}

// checkSteps returns how many steps it has checked.
func checkSteps(t *testing.T, name string, file steps) int {
	t.Helper()
	version := regexp.MustCompile(`@(v\d+|main)$`)
	all := file.all()
	for _, s := range all {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("%s: an expression in a script:\n%s", name, s.Run)
		}
		if s.Uses != "" && !version.MatchString(s.Uses) {
			t.Errorf("%s: %s has no version", name, s.Uses)
		}
	}
	return len(all)
}

// The reference is written from the program's help, so flags that it does not
// have are none.
func TestPipelinesUseFlagsThatExist(t *testing.T) {
	used := regexp.MustCompile(`canaryctl (release|resume|rollback|status)((?: +[^\n|;]*)?)`)
	flag := regexp.MustCompile(`(?:^|[ (])(--[a-z-]+)`)
	check := func(where, command, line string) {
		page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "canaryctl_"+command+".md"))
		if err != nil {
			t.Logf("%s: canaryctl %s has no page to check against: %v", where, command, err)
			return
		}
		for _, f := range flag.FindAllStringSubmatch(line, -1) {
			if !bytes.Contains(page, []byte(f[1])) {
				t.Errorf("%s: canaryctl %s has no flag %s", where, command, f[1])
			}
		}
	}
	check(actionFile, "release", releaseStep(t).Run)
	for _, name := range []string{"docs/pipelines.md", "docs/hooks.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := used.FindAllStringSubmatch(string(text), -1)
		for _, m := range lines {
			check(name, m[1], m[2])
		}
		if name == "docs/pipelines.md" && len(lines) < 3 {
			t.Errorf("%s shows %d commands", name, len(lines))
		}
	}
}

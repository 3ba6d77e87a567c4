package volume

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/lab/internal/node/environ"
)

// source is a namespace with one ConfigMap and one Secret; its tokens live an
// hour and say which one they are.
type source struct {
	level  string
	tokens int
	clock  *clocktesting.FakePassiveClock
}

func (s *source) ConfigMap(_ context.Context, _, name string) (*corev1.ConfigMap, error) {
	if name != "settings" {
		return nil, apierrors.NewNotFound(corev1.Resource("configmaps"), name)
	}
	return &corev1.ConfigMap{Data: map[string]string{"level": s.level}, BinaryData: map[string][]byte{"raw": {0, 1}}}, nil
}

func (s *source) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	if name != "keys" {
		return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
	}
	return &corev1.Secret{Data: map[string][]byte{"token": []byte("hush"), "other": []byte("no")}}, nil
}

func (s *source) Token(_ context.Context, namespace, account string, _ authenticationv1.TokenRequestSpec) (authenticationv1.TokenRequestStatus, error) {
	s.tokens++
	return authenticationv1.TokenRequestStatus{
		Token:               strings.Repeat("t", s.tokens) + "@" + namespace + "/" + account,
		ExpirationTimestamp: metav1.NewTime(s.clock.Now().Add(time.Hour)),
	}, nil
}

func podWith(volumes ...corev1.Volume) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{ServiceAccountName: "sa", Volumes: volumes},
	}
}

func configMap(name string, optional bool, items ...corev1.KeyToPath) corev1.Volume {
	return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Optional: &optional, Items: items,
	}}}
}

func projected(sources ...corev1.VolumeProjection) corev1.Volume {
	return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources}}}
}

func setUp(t *testing.T) (*Volumes, *source, string) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
	s := &source{level: "debug", clock: clock}
	dir := t.TempDir()
	return New(dir, s, clock), s, dir
}

// tree reads all files below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWrite(t *testing.T) {
	for _, tt := range []struct {
		name   string
		volume corev1.Volume
		want   map[string]string
	}{
		{"emptyDir", corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}, map[string]string{}},
		{"configMap", configMap("settings", false), map[string]string{"level": "debug", "raw": "\x00\x01"}},
		{"items", configMap("settings", false, corev1.KeyToPath{Key: "level", Path: "a/b"}), map[string]string{"a/b": "debug"}},
		{"a path that would lead out", configMap("settings", false, corev1.KeyToPath{Key: "level", Path: "../../x"}), map[string]string{"x": "debug"}},
		{"optional and absent", configMap("gone", true), map[string]string{}},
		{
			"secret", corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
				SecretName: "keys", Items: []corev1.KeyToPath{{Key: "token", Path: "t"}},
			}}}, map[string]string{"t": "hush"},
		},
		{
			"projected", projected(
				corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
				corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Items: []corev1.KeyToPath{{Key: "level", Path: "level"}}}},
				corev1.VolumeProjection{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
					{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
				}}},
			), map[string]string{"token": "t@shop/sa", "level": "debug", "labels": `app="web"`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			volumes, _, dir := setUp(t)
			if err := volumes.Write(context.Background(), podWith(tt.volume), environ.Addresses{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tree(t, filepath.Join(dir, "v"))); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteSaysWhatIsMissing(t *testing.T) {
	for want, volume := range map[string]corev1.Volume{
		`volume "v" : configmaps "gone" not found`: configMap("gone", false),
		`has no key "nope"`:                        configMap("settings", false, corev1.KeyToPath{Key: "nope", Path: "p"}),
		"the lab has emptyDir":                     {Name: "v", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}},
	} {
		volumes, _, _ := setUp(t)
		err := volumes.Write(context.Background(), podWith(volume), environ.Addresses{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %q", err, want)
		}
	}
}

func TestRewriteFollowsTheObjectsAndRenewsTokensLate(t *testing.T) {
	volumes, source, dir := setUp(t)
	token := projected(corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}})
	token.Name = "t"
	pod := podWith(configMap("settings", false), token)
	for _, step := range []struct {
		after time.Duration
		level string
		token string
	}{{0, "debug", "t@shop/sa"}, {47 * time.Minute, "info", "t@shop/sa"}, {2 * time.Minute, "warn", "tt@shop/sa"}} {
		source.clock.SetTime(source.clock.Now().Add(step.after))
		source.level = step.level
		if err := volumes.Write(context.Background(), pod, environ.Addresses{}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"v/level": step.level, "v/raw": "\x00\x01", "t/token": step.token}
		if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", step.after, diff)
		}
	}
}

func TestLink(t *testing.T) {
	volumes, _, _ := setUp(t)
	pod := podWith(configMap("settings", false))
	if err := volumes.Write(context.Background(), pod, environ.Addresses{}); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	c := &corev1.Container{Name: "app", VolumeMounts: []corev1.VolumeMount{
		{Name: "v", MountPath: "/etc/config"}, {Name: "v", MountPath: "/one/level", SubPath: "level"}, {Name: "v", MountPath: "/../../out"},
	}}
	for range 2 { // a restarted container finds its links there already
		if err := volumes.Link(root, c); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"etc/config/level", "one/level", "out/level"} {
		if data, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(data) != "debug" {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

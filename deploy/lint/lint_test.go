// Package lint checks the files of deploy/ with the libraries of those who read them. It is a module of its own, so that
// Recall itself depends on none of these.
package lint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strictyaml "sigs.k8s.io/yaml"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestCompose(t *testing.T) {
	for _, name := range []string{"compose.yml", "../docker-compose.yml"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			o, err := cli.NewProjectOptions([]string{filepath.Join("..", name)}, cli.WithResolvedPaths(true))
			if err != nil {
				t.Fatal(err)
			}
			project, err := o.LoadProject(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if name != "compose.yml" {
				return
			}
			spools := map[string]string{}
			for _, service := range project.Services {
				if service.Build == nil {
					continue
				}
				if !service.ReadOnly || len(service.CapDrop) != 1 {
					t.Errorf("%s may write to its image, or has capabilities", service.Name)
				}
				for _, v := range service.Volumes {
					if other, taken := spools[v.Source]; taken {
						t.Errorf("%s and %s have one volume: a spool belongs to one instance", other, service.Name)
					}
					spools[v.Source] = service.Name
				}
			}
			if len(spools) != 2 {
				t.Errorf("%d instances, want two", len(spools))
			}
		})
	}
}

func TestDockerfile(t *testing.T) {
	parsed, err := parser.Parse(bytes.NewReader(read(t, "../Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, description, url, message string, at []parser.Range) {
		t.Errorf("%v: %s: %s", at, rule, message)
	}})
	stages, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	user, checked := "", false
	for _, c := range stages[len(stages)-1].Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.HealthCheckCommand:
			checked = true
		}
	}
	if user == "" || strings.HasPrefix(user, "0") || !checked {
		t.Errorf("the image runs as %q, health check: %v", user, checked)
	}
}

// TestKubernetes reads every object as the API server would, and refuses what it does not know.
func TestKubernetes(t *testing.T) {
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(read(t, "kubernetes/recall.yaml"))))
	defer documents.Close()
	kinds := map[string]any{
		"StatefulSet": &appsv1.StatefulSet{}, "Service": &corev1.Service{}, "PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "Ingress": &networkingv1.Ingress{},
	}
	seen := 0
	for {
		document := make([]byte, 1<<20)
		n, err := documents.Read(document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var kind struct{ Kind string }
		if err := strictyaml.Unmarshal(document[:n], &kind); err != nil {
			t.Fatal(err)
		}
		object, known := kinds[kind.Kind]
		if !known {
			t.Fatalf("nobody checks the kind %q", kind.Kind)
		}
		if err := strictyaml.UnmarshalStrict(document[:n], object); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		seen++
	}
	if seen != 5 {
		t.Errorf("%d objects, want 5", seen)
	}
	pod := kinds["StatefulSet"].(*appsv1.StatefulSet).Spec.Template.Spec
	if c := pod.Containers[0]; !*c.SecurityContext.ReadOnlyRootFilesystem || !*pod.SecurityContext.RunAsNonRoot || c.ReadinessProbe == nil {
		t.Error("the container may write to its image, may be root, or is asked nothing")
	}
}

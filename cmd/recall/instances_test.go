package main

import (
	"bufio"
	"context"
	"html"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"recall/cluster"
	"recall/plenigo"
)

// TestLiveListOfAnotherInstance: two instances on one database. Who has logged in at one is logged in at the other, and its live
// list shows what the other has just received.
func TestLiveListOfAnotherInstance(t *testing.T) {
	t.Parallel()
	c, err := cluster.Open(context.Background(), cluster.Options{DataDir: dataDir(t), BinDir: os.Getenv("RECALL_POSTGRES_BIN")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	env := []string{"RECALL_DATABASE_URL=" + c.URL(), "RECALL_KEY=" + strings.Repeat("ab", 32)}
	one := serve(t, dataDir(t), env)
	other := serve(t, dataDir(t), env)
	runBinary(t, env, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", fileWith(t, testSecret)).want(t, 0)
	shop := awaitShop(other)
	_, client := logIn(one, strings.TrimPrefix(one.printed("Log in"), firstUser+"  "))
	if status, _ := get(other, client, "/events?live=1"); status != http.StatusOK { // cookies are a host's, whatever its port
		t.Fatalf("the other one answers the session of the first with %d", status)
	}
	status, page := get(one, client, "/events?live=1")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	follow := regexp.MustCompile(`data-url="([^"]+)"`).FindStringSubmatch(page)
	if follow == nil {
		t.Fatalf("the list is not live: %s", page)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, one.printed("Admin UI")+html.UnescapeString(follow[1]), nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	got, err := shop.send(t.Context(), plenigo.Samples()[0], fault{})
	if err != nil || !got.ok() {
		t.Fatalf("%+v, %v", got, err)
	}
	lines := bufio.NewScanner(stream.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") && strings.Contains(lines.Text(), got.Event.String()) {
			return
		}
	}
	t.Fatalf("the stream ended without the event: %v", lines.Err())
}

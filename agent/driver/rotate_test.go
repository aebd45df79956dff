package driver

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever is written in whatever pieces, by however many writers one after
// another: the files are the end of the stream, cut at multiples of the limit.
func TestRotationIsExact(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		limit := rotation{Files: rapid.IntRange(1, 4).Draw(t, "files"), Bytes: rapid.Int64Range(1, 50).Draw(t, "bytes")}
		log, err := openRotator(dir, "web", Stdout, limit)
		if err != nil {
			t.Fatal(err)
		}
		var stream []byte
		for _, size := range rapid.SliceOfN(rapid.IntRange(0, 120), 0, 20).Draw(t, "writes") {
			if size == 0 { // an agent restarts
				log.Close()
				if log, err = openRotator(dir, "web", Stdout, limit); err != nil {
					t.Fatal(err)
				}
			}
			piece := make([]byte, size)
			for i := range piece {
				piece[i] = byte(rand.IntN(256))
			}
			if n, err := log.Write(piece); n != size || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
			stream = append(stream, piece...)
		}
		log.Close()
		checkRotation(t, dir, stream, limit)
	})
}

func checkRotation(t *rapid.T, dir string, stream []byte, limit rotation) {
	last := max(0, (len(stream)-1)/int(limit.Bytes))
	first := max(0, last-limit.Files+1)
	files, err := LogFiles(dir, "web", Stdout)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != last-first+1 {
		t.Fatalf("%d files, want numbers %d to %d", len(files), first, last)
	}
	for i, f := range files {
		n := first + i
		want := stream[n*int(limit.Bytes) : min((n+1)*int(limit.Bytes), len(stream))]
		got, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if f.N != n || f.Size != int64(len(want)) || !bytes.Equal(got, want) {
			t.Fatalf("file %d is %+v with %d bytes, want number %d with %d", i, f, len(got), n, len(want))
		}
	}
}

func TestSmallerLimitDropsOldFiles(t *testing.T) {
	dir := t.TempDir()
	for n := range 5 {
		os.WriteFile(filepath.Join(dir, LogName("web", Stderr, n)), []byte("0123456789"), 0o644)
	}
	log, err := openRotator(dir, "web", Stderr, rotation{Files: 2, Bytes: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	files, err := LogFiles(dir, "web", Stderr)
	if err != nil || len(files) != 2 || files[0].N != 3 {
		t.Errorf("got %+v, %v, want numbers 3 and 4", files, err)
	}
}

func TestLogFilesAreTheTasksOwn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"web.stdout.10", "web.stdout.9", "web.stdout.0",
		"web.stderr.0", "web.stdout.01", "web.stdout.-1", "web.stdout.x", "web.stdout.", "web-2.stdout.1", "web.stdout.1.tmp",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := LogFiles(dir, "web", Stdout)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, f := range files {
		got = append(got, f.N)
	}
	if diff := cmp.Diff([]int{0, 9, 10}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := LogFiles(filepath.Join(dir, "gone"), "web", Stdout); err == nil {
		t.Error("no error for a missing directory")
	}
}

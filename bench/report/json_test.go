package report_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/netnsd/netnsd/bench/report"
)

func written(t testing.TB, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadWhatWasWritten(t *testing.T) {
	want := fake(1, 5, 1)
	got, err := report.Read(bytes.NewReader(written(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v\nwrote %+v", got, want)
	}
}

func TestReadGarbage(t *testing.T) {
	good := string(written(t, fake(1, 2, 1)))
	swap := func(from, to string) string {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("the report has no %s", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":              {"", "not a report: line 1: unexpected end"},
		"not JSON":             {"workload  ratio\n", "not a report: line 1: invalid character 'w'"},
		"cut off":              {good[:len(good)/2], "not a report: line "},
		"something behind":     {good + "x", "invalid character 'x' after"},
		"another JSON":         {`{"version": 1}`, `it has no "format"`},
		"a list":               {`[1, 2]`, "not a report: line 1: json: cannot unmarshal array"},
		"null":                 {`null`, `it has no "format"`},
		"a later format":       {swap(`"format": 1`, `"format": 2`), "format 2: this netnsd reads format 1"},
		"text for a figure":    {swap(`"value": 1`, `"value": "fast", "x": 1`), "cannot unmarshal string into Go struct field"},
		"beyond a float":       {swap(`"value": `, `"value": 1e999, "x": `), "cannot unmarshal number 1e999"},
		"unknown contender":    {swap(`"subject": "netnsd"`, `"subject": "somebody"`), `table gateway: "somebody" is not among the contenders`},
		"contender twice":      {swap(`"name": "pasta"`, `"name": "netnsd"`), `contender "netnsd": a name has to be there, and once`},
		"contender's no name":  {swap(`"name": "pasta"`, `"name": ""`), `contender "": a name`},
		"table twice":          {swap(`"name": "sockets"`, `"name": "gateway"`), `table "gateway"`},
		"workload twice":       {swap(`"workload": "up8"`, `"workload": "up1"`), `table gateway: workload "up1"`},
		"series of a stranger": {swap(`"contender": "pasta"`, `"contender": "who"`), `up1: series of "who"`},
		"series twice":         {swap(`"contender": "pasta"`, `"contender": "netnsd"`), `series of "netnsd"`},
		"sample twice":         {swap(`"repetition": 1`, `"repetition": 0`), "up1: netnsd: repetition 0: two samples"},
		"goal against who":     {swap(`"against": "pasta"`, `"against": "who"`), `goal against "who"`},
		"goal twice":           {swap(`"against": "slirp4netns"`, `"against": "pasta"`), `goal against "pasta"`},
		"goal below nothing":   {swap(`"reach": 1.5`, `"reach": -1.5`), `reach -1.5`},
		"goal of no times":     {swap(`"reach": 1.5`, `"reach": 0`), `reach 0`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.Read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestReadBounded(t *testing.T) {
	if _, err := report.Read(endless{}); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Error(err)
	}
	if _, err := report.Read(io.MultiReader(strings.NewReader("{"), broken{})); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errBroken }
func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestReadFileNamesTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "old.json")
	if _, err := report.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(name, []byte("{\n\n!"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := report.ReadFile(name); err == nil || !strings.Contains(err.Error(), "old.json: report: not a report: line 3:") {
		t.Error(err)
	}
}

// What JSON cannot hold is refused with a name, before the file is touched.
func TestWriteRefuses(t *testing.T) {
	r := fake(1, 2, 1)
	r.Tables[0].Rows[1].Series[2].Samples[1].Value = math.NaN()
	var b bytes.Buffer
	if err := r.Write(&b); err == nil || !strings.Contains(err.Error(), "table gateway: up8: slirp4netns: repetition 1: NaN") || b.Len() > 0 {
		t.Errorf("%v, %d bytes written", err, b.Len())
	}
	if err := fake(1, 2, 1).Write(broken{}); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

// FuzzRead: whatever is read is refused or can be shown in every form, and
// written and read again to the same.
func FuzzRead(f *testing.F) {
	f.Add(written(f, fake(1, 2, 1)))
	f.Add([]byte(`{"format":1,"contenders":[{"name":"a"}],"tables":[{"name":"t","subject":"a","rows":[{"workload":"w","series":[{"contender":"a","samples":[{"value":1e308},{"repetition":1,"value":-1e308}]}],"goals":[{"reach":1e308}]}]}]}`))
	f.Add([]byte(`{"format":1,"machine":{"cores":-5},"contenders":[{"name":"a"},{"name":"b"}],"tables":[{"name":"t","subject":"a","baselines":["b","a"],"rows":[{"workload":"w","less":true,"series":[{"contender":"a","samples":[{"value":5e-324,"cpu":-1}]},{"contender":"b","samples":[{"value":1e308}]}]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := report.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := report.Read(bytes.NewReader(written(t, r)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(written(t, again), written(t, r)) {
			t.Fatal("not the same when read again")
		}
		everyForm(t, report.Evaluate(r, again))
	})
}

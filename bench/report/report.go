package report

import "time"

// Format is the version of the JSON form. A reader refuses another one.
const Format = 1

// A Report is what one run of the harness found. It is the JSON form as well;
// everything else (medians, ratios, outcomes) is computed from the samples.
type Report struct {
	Format     int         `json:"format"`
	Start      time.Time   `json:"start"`
	Seconds    float64     `json:"seconds"` // the whole run
	Version    string      `json:"version"` // of netnsd: its VCS revision
	Machine    Machine     `json:"machine"`
	Settings   Settings    `json:"settings"`
	Contenders []Contender `json:"contenders"`
	Tables     []Table     `json:"tables"`
}

// Machine is where the run took place.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"` // bytes
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// Settings are what was asked for.
type Settings struct {
	Repetitions int     `json:"repetitions"`
	Measure     float64 `json:"measure"` // seconds of each figure
	Warmup      float64 `json:"warmup"`  // seconds before it
	Congestion  string  `json:"congestion"`
	Command     string  `json:"command,omitempty"` // that measures the same again
}

// A Contender is one of those who carry the same load.
type Contender struct {
	Name    string `json:"name"`  // unique: "netnsd", "pasta", "veth"
	Title   string `json:"title"` // for people: "pasta 0.0~git20230309"
	Path    string `json:"path,omitempty"`
	Version string `json:"version,omitempty"`
	Mode    string `json:"mode,omitempty"`  // netnsd: "gateway" or "sockets"
	Chain   string `json:"chain,omitempty"` // netnsd: the layers in the path
	MTU     int    `json:"mtu,omitempty"`
}

// A Table compares a subject with baselines, workload by workload.
type Table struct {
	Name      string   `json:"name"`
	Title     string   `json:"title"`
	Subject   string   `json:"subject"`   // a contender
	Baselines []string `json:"baselines"` // contenders
	Rows      []Row    `json:"rows"`
}

// A Row is one workload under all contenders of its table.
type Row struct {
	Workload string   `json:"workload"` // unique in its table: "up1"
	Title    string   `json:"title"`    // "upload, 1 stream"
	Unit     string   `json:"unit"`     // "Gbit/s", "1/s", "KiB", "ms", "ns"
	Less     bool     `json:"less"`     // less is better
	Series   []Series `json:"series"`
	Goals    []Goal   `json:"goals,omitempty"`
}

// A Series is what one contender did in all repetitions.
type Series struct {
	Contender string   `json:"contender"`
	Samples   []Sample `json:"samples"`
	Missing   string   `json:"missing,omitempty"` // why there are none: "not installed"
}

// A Sample is one figure. Samples of one repetition were taken next to each
// other: ratios pair them.
type Sample struct {
	Repetition int                `json:"repetition"`
	Value      float64            `json:"value"`            // in the row's unit
	CPU        float64            `json:"cpu,omitempty"`    // of the whole machine: busy CPUs, mean
	Own        float64            `json:"own,omitempty"`    // of the contender's own process: busy CPUs
	Memory     int64              `json:"memory,omitempty"` // its resident set, bytes
	Detail     map[string]float64 `json:"detail,omitempty"` // "stalled", "slowest/fastest" …
}

// A Goal is a figure asked for. Against is a baseline, of which Reach and Aim are
// multiples; empty: they are in the row's unit.
type Goal struct {
	Against string  `json:"against,omitempty"`
	Reach   float64 `json:"reach"`
	Aim     float64 `json:"aim,omitempty"`
}

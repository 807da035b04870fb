//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// completions is what bash does when somebody presses Tab behind each line: commands,
// flags, their values, topics of help.
const completions = `
set -e
. /usr/share/bash-completion/bash_completion
eval "$(netnsd completion bash)"
compopt() { :; } # which is for readline alone
while read -r line; do
	read -ra COMP_WORDS <<<"$line"
	[[ $line == *' .' ]] && COMP_WORDS[-1]=
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE="${COMP_WORDS[*]}" COMPREPLY=() COMP_TYPE=9
	COMP_POINT=${#COMP_LINE}
	__start_netnsd || true # nothing to offer
	echo "$line: ${COMPREPLY[*]}"
done
`

func TestCompletion(t *testing.T) {
	if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("needs bash-completion: ", err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	want := []string{ // a dot is where nothing has been typed
		"netnsd da: daemon",
		"netnsd help tro: trouble",
		"netnsd help rel: reload",
		"netnsd config .: check schema show",
		"netnsd run --keep-: --keep-fd --keep-socket",
		"netnsd attach --dns-z: --dns-zone",
		"netnsd explain .: tcp udp icmp",
		"netnsd status -o .: table json",
		"netnsd config show -o y: yaml",
		"netnsd status --socket /nowhere .: ",
	}
	var lines strings.Builder
	for _, w := range want {
		line, _, _ := strings.Cut(w, ":")
		lines.WriteString(line + "\n")
	}
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", completions)
	cmd.Stdin, cmd.Stderr = strings.NewReader(lines.String()), t.Output()
	out, err := cmd.Output()
	if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != strings.Join(want, "\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

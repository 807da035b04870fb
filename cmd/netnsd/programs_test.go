//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A program of the acceptance list: what is typed inside, and what must be on its
// stdout. $H4 and $H6 are the servers, $SUM the sum of $DIR/file, which they all
// have; the working directory is its own, and so is $HOME.
type program struct {
	name, script, want string
	tools              []string
	serve              func(l *lab, dir string)
}

var programs = []program{
	{"curl", `curl -sS -O http://$H4/file; curl -sS http://$H4/file http://[$H6]/file | sha256sum
curl -sS -r 0-9 http://[$H6]/file | wc -c; sha256sum <file`, `^$SUM2  -\n10\n$SUM  -\n$`, []string{"curl", "nginx"}, (*lab).nginx},
	{"curl HTTP/2", `curl -sSk --http2 -w '%{http_version}\n' -o file https://[$H6]/file; sha256sum <file`,
		`^2\n$SUM  -\n$`, []string{"curl", "nginx", "openssl"}, (*lab).nginx},
	{"curl HTTP/1.1 over TLS", `curl -sSk --http1.1 -w '%{http_version}\n' -o file https://$H4/file; sha256sum <file`,
		`^1.1\n$SUM  -\n$`, []string{"curl", "nginx", "openssl"}, (*lab).nginx},
	{"curl in parallel", `curl -sS -Z --parallel-max 50 --parallel-immediate "http://$H4/file?[1-50]" -o 'f#1'; cat f* | sha256sum; ls f* | wc -l`,
		`^$SUM50  -\n50\n$`, []string{"curl", "nginx"}, (*lab).nginx},
	{"wget", `wget -q -O- http://$H4/file | sha256sum; wget -q -O- http://[$H6]/file | sha256sum`, `^$SUM  -\n$SUM  -\n$`, []string{"wget", "nginx"}, (*lab).nginx},
	{"openssl", `printf 'GET /file HTTP/1.0\r\n\r\n' | openssl s_client -quiet -connect $H4:443 2>/dev/null | sed '1,/^\r$/d' | sha256sum`,
		`^$SUM  -\n$`, []string{"openssl", "nginx"}, (*lab).nginx},
	// Its goodbye at the end of its stdin would lead nginx to end with a reset, and Linux to forget what it has not sent.
	{"gnutls", `mkfifo q; exec 3<>q; printf 'GET /file HTTP/1.0\r\n\r\n' >&3; gnutls-cli --insecure --logfile=/dev/null -p 443 $H4 <&3 | sed '1,/^\r$/d' | sha256sum`,
		`^$SUM  -\n$`, []string{"gnutls-cli", "nginx"}, (*lab).nginx},
	{"python", `/usr/bin/python3 -c "
import urllib.request, hashlib, concurrent.futures
get = lambda u: hashlib.sha256(urllib.request.urlopen(u).read()).hexdigest()
with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(set(pool.map(get, ['http://$H4/file', 'http://[$H6]/file'] * 20)))"`, `^\{'$SUM'\}\n$`, []string{"/usr/bin/python3", "nginx"}, (*lab).nginx},
	{"node", `node -e "
const http = require('http'), crypto = require('crypto'), sums = new Set(), agent = new http.Agent({keepAlive: true, maxSockets: 20});
let left = 40;
for (let i = 0; i < 40; i++) http.get({host: i % 2 ? '$H4' : '$H6', path: '/file', agent}, r => {
  const h = crypto.createHash('sha256');
  r.on('data', d => h.update(d)).on('end', () => { sums.add(h.digest('hex')); if (--left == 0) { agent.destroy(); console.log([...sums].join()) } });
});"`, `^$SUM\n$`, []string{"node", "nginx"}, (*lab).nginx},
	{"wrk", `wrk -t1 -c64 -d1s http://$H4/small | grep -oE 'Requests/sec|Socket errors.*|Non-2xx.*'`, `^Requests/sec\n$`, []string{"wrk", "nginx"}, (*lab).nginx},
	{"h2load", `h2load -n1000 -c10 -m10 https://$H4/small`, `1000 succeeded, 0 failed, 0 errored, 0 timeout`, []string{"h2load", "nginx", "openssl"}, (*lab).nginx},
	{"git over http", `git clone -q http://$H4/repo.git r && cmp r/blob $DIR/work/blob && echo same`, `^same\n$`,
		[]string{"git", "nginx"}, func(l *lab, dir string) { l.gitd(dir); l.nginx(dir) }},
	{"git", `git clone -q git://$H4/repo.git r4 && git clone -q git://[$H6]/repo.git r6 && cmp r4/blob r6/blob && echo same`, `^same\n$`, []string{"git"}, (*lab).gitd},
	{"git over ssh", `git config --global user.name a; git config --global user.email a@lab.test; git clone -q root@$H4:$DIR/repo.git r && cd r &&
git checkout -q -b mine$(id -u) && head -c 2000000 /dev/urandom > more && git add more && git commit -qm two && git push -q origin mine$(id -u) &&
git ls-remote -q origin mine$(id -u) | grep -c $(git rev-parse HEAD)`, `^1\n$`, []string{"git", "ssh", "sshd"}, func(l *lab, dir string) { l.gitd(dir); l.sshd(dir) }},
	{"ssh", `$SSH root@$H4 cat $DIR/file | sha256sum; $SSH root@$H6 sha256sum <$DIR/file; $SSH root@$H4 exit 7 || echo $?`,
		`^$SUM  -\n$SUM  -\n7\n$`, []string{"ssh", "sshd"}, (*lab).sshd},
	{"scp", `scp -q $OPTIONS root@$H4:$DIR/file a && scp -q $OPTIONS a root@[$H6]:$DIR/up$(id -u) && cmp a $DIR/up$(id -u) && sha256sum <a`,
		`^$SUM  -\n$`, []string{"scp", "sshd"}, (*lab).sshd},
	{"rsync", `rsync -q rsync://$H4/lab/file a && rsync -q rsync://[$H6]/lab/file b && cmp a b && sha256sum <b`, `^$SUM  -\n$`, []string{"rsync"}, (*lab).rsyncd},
	{"redis", `redis-cli -h $H4 set k v; redis-cli -h $H6 get k; redis-benchmark -h $H4 -n 5000 -c 20 -q -t set,get | tr '\r' '\n' | grep -c 'requests per second'`,
		`^OK\nv\n2\n$`, []string{"redis-cli", "redis-benchmark", "redis-server"}, (*lab).redis},
	{"postgres", `psql -h $H4 -U lab postgres -Atc "select repeat('x', 3000000)" | wc -c
pgbench -q -i -h $H6 -U lab postgres 2>/dev/null && pgbench -n -c 4 -t 25 -C -h $H4 -U lab postgres 2>/dev/null | grep processed`,
		`^3000001\n(?s:.*)number of transactions actually processed: 100/100\n$`, []string{"psql", "pgbench", filepath.Join(postgresBin(), "postgres")}, (*lab).postgres},
	// The server takes one at a time, and a moment to be done with it. A machine that stalls loses datagrams in any
	// socket's buffer, hence some tries.
	{"iperf3", `perf() { for i in $(seq 100); do iperf3 "$@" >out 2>&1 && return; grep -q busy out || break; sleep 0.1; done; cat out; return 1; }
perf -c $H4 -t 1; perf -c $H6 -R -P 4 -t 1
for i in $(seq 8); do perf -c $H4 -u -b 20M -t 1; grep -E '\((0|0\.[0-9]+)%\) +receiver' out && break; done`, `receiver\n$`, []string{"iperf3"}, (*lab).iperf},
}

const fileSize = 5 << 20

// files are what the servers have, and their sums: of one file, two and fifty.
func (l *lab) files(dir string) *strings.Replacer {
	l.t.Helper()
	b, err := io.ReadAll(io.LimitReader(new(pattern), fileSize))
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(dir, "file", string(b))
	l.write(dir, "small", "a small file\n")
	sum := func(n int) string { return fmt.Sprintf("%x", sha256.Sum256(bytes.Repeat(b, n))) }
	return strings.NewReplacer("$SUM50", sum(50), "$SUM2", sum(2), "$SUM", sum(1))
}

// Programs that nobody has changed do in `netnsd run` what they do without.
// As root too where CI runs at full size (.ci/run).
func TestPrograms(t *testing.T) {
	who := []user{nobody}
	if os.Getenv("NETNSD_TEST_MIB") != "" {
		who = users
	}
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			need(t, p.tools...)
			l := newLab(t)
			dir := l.dir()
			sums := l.files(dir)
			p.serve(l, dir)
			for _, u := range who {
				home := l.dir()
				options := "-i " + home + "/id -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR"
				env := fmt.Sprintf(`set -e; export HOME=%[1]s; cd %[1]s; H4=%[2]s H6=%[3]s DIR=%[4]s OPTIONS=%[5]q; SSH="ssh $OPTIONS"; export GIT_SSH_COMMAND="$SSH"
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
if [ -e $DIR/id ]; then (umask 077; cp $DIR/id id); fi
`, home, server4, server6, dir, options)
				r := l.run(u, nil, "sh", "-c", env+p.script)
				want := regexp.MustCompile(sums.Replace(p.want))
				if r.status != 0 || !want.MatchString(r.stdout) {
					t.Errorf("%s: status %d, %q, want %s\n%s", u.name, r.status, r.stdout, want, r.stderr)
				}
			}
		})
	}
}

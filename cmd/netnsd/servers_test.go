//go:build linux

package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/netnsd/netnsd/tun"
)

// daemon runs a server in the lab until the test ends. It is asked to end first, as
// some have children.
func (l *lab) daemon(argv ...string) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := l.command(ctx, root, argv...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s", argv[0], out.String())
		}
	})
}

// listens waits until somebody accepts at addr.
func (l *lab) listens(addr string) {
	l.t.Helper()
	var err error
	if !eventually(func() bool {
		err = tun.InNetns(l.path, func() error {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		})
		return err == nil
	}) {
		l.t.Fatalf("no server: %v", err)
	}
}

// write makes a file that everybody can read in dir, with DIR replaced.
func (l *lab) write(dir, name, text string) string {
	l.t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return file
}

// nginx serves dir over HTTP on port 80 and, with HTTP/2, TLS on 443.
func (l *lab) nginx(dir string) {
	sh(l.t, "cd "+dir+` && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
	-subj /CN=lab.test -addext subjectAltName=IP:`+server4+`,IP:`+server6+` 2>&1`)
	l.daemon("nginx", "-e", dir+"/nginx.log", "-c", l.write(dir, "nginx.conf", `daemon off; master_process off; pid DIR/nginx.pid;
events { worker_connections 1024; }
http {
	access_log off; default_type application/octet-stream; root DIR; keepalive_requests 100000;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	server {
		listen 80; listen [::]:80; listen 443 ssl http2; listen [::]:443 ssl http2;
		ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
	}
}
`))
	l.listens(server4 + ":443")
}

// sshd lets root in with the key dir/id.
func (l *lab) sshd(dir string) {
	sh(l.t, "ssh-keygen -q -t ed25519 -N '' -f "+dir+"/host; ssh-keygen -q -t ed25519 -N '' -f "+dir+"/id; cat "+dir+"/id.pub > "+dir+"/authorized; chmod 0644 "+dir+"/id; mkdir -p /run/sshd")
	l.daemon("/usr/sbin/sshd", "-D", "-e", "-p", "22", "-f", l.write(dir, "sshd.conf", `HostKey DIR/host
AuthorizedKeysFile DIR/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
`))
	l.listens(server4 + ":22")
}

// rsyncd serves dir as the module lab on port 873.
func (l *lab) rsyncd(dir string) {
	l.daemon("rsync", "--daemon", "--no-detach", "--log-file=/dev/null", "--config="+l.write(dir, "rsync.conf", "use chroot = no\npid file = DIR/rsync.pid\n[lab]\npath = DIR\n"))
	l.listens(server4 + ":873")
}

// gitd serves the repository dir/repo.git by git:// and, from dir, over HTTP.
func (l *lab) gitd(dir string) {
	sh(l.t, "cd "+dir+` && git init -q work && cd work && head -c 3000000 /dev/urandom > blob && git add blob &&
git -c user.name=lab -c user.email=lab@lab.test commit -qm one && git clone -q --bare . ../repo.git && git -C ../repo.git update-server-info`)
	l.daemon("git", "daemon", "--reuseaddr", "--export-all", "--base-path="+dir, dir)
	l.listens(server4 + ":9418")
}

func (l *lab) redis(dir string) {
	l.daemon("redis-server", "--port", "6379", "--bind", "*", "-::*", "--protected-mode", "no", "--save", "", "--dir", dir)
	l.listens(server4 + ":6379")
}

// postgres trusts everybody.
func (l *lab) postgres(dir string) {
	bin := postgresBin()
	data := filepath.Join(dir, "data")
	as := "setpriv --reuid postgres --regid postgres --init-groups "
	sh(l.t, "mkdir "+data+" && chown postgres "+data+" && "+as+bin+"/initdb --no-sync -A trust -U lab -D "+data+" >/dev/null && echo 'host all all all trust' >> "+data+"/pg_hba.conf")
	l.daemon(strings.Fields(as + bin + "/postgres -c fsync=off -c listen_addresses=* -c unix_socket_directories= -D " + data)...)
	l.listens(server4 + ":5432")
	if !eventually(func() bool { return l.exec(root, bin+"/pg_isready", "-q", "-h", server4).status == 0 }) {
		l.t.Fatal("postgres does not get ready")
	}
}

// postgresBin is where Debian has the server, "" without one.
func postgresBin() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(dirs) == 0 {
		return ""
	}
	return dirs[len(dirs)-1]
}

func (l *lab) iperf(dir string) {
	l.daemon("iperf3", "-s", "--forceflush")
	l.listens(server4 + ":5201")
}

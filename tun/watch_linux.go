package tun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// recheck is how often a watched path is looked at without being told: a bind mount can be unmounted without its name being
// removed, and a process can move to another namespace, and neither gives an event.
const recheck = 2 * time.Second

// NetnsWatch notices that a path no longer names the network namespace that it named at first. An open TUN, netlink socket
// or namespace descriptor keeps a namespace alive, so this is never seen on those.
type NetnsWatch struct {
	path string
	was  Namespace
	file *os.File // inotify, or a pidfd
	gone chan struct{}
	end  sync.WaitGroup
}

var procPath = regexp.MustCompile(`^/proc/(\d+)/(?:task/\d+/)?ns/net$`)

// WatchNetns watches the namespace at path. For /proc/PID/ns/net it is the process that is watched, by pidfd (Linux 5.3);
// for other paths the directory entry, by inotify. Only what this process's mount namespace shows is seen.
func WatchNetns(path string) (*NetnsWatch, error) {
	was, err := NamespaceAt(path)
	if err != nil {
		return nil, err
	}
	w := &NetnsWatch{path: path, was: was, gone: make(chan struct{})}
	var fd int
	wait := w.nextInotify
	if m := procPath.FindStringSubmatch(path); m != nil {
		wait = w.nextPidfd
		fd, err = openPidfd(m[1])
	} else {
		fd, err = openInotify(path)
	}
	if err != nil {
		return nil, fmt.Errorf("tun: watch %s: %w", path, err)
	}
	w.file = os.NewFile(uintptr(fd), path)
	w.end.Go(func() { w.run(wait) }) // ended by Close, or by the namespace
	return w, nil
}

// Gone is closed when the path no longer names the namespace. It never opens for a path that ends with the process
// (/proc/self).
func (w *NetnsWatch) Gone() <-chan struct{} { return w.gone }

// Close ends the watch and waits for its goroutine. Gone stays as it is.
func (w *NetnsWatch) Close() error {
	err := w.file.Close()
	w.end.Wait()
	return err
}

// run looks at the path at first, for what happened before the watch stood, and then after each event or recheck.
func (w *NetnsWatch) run(wait func() error) {
	for {
		if now, err := NamespaceAt(w.path); err != nil || now != w.was {
			close(w.gone)
			return
		}
		if err := w.file.SetReadDeadline(time.Now().Add(recheck)); err != nil {
			return // closed
		}
		switch err := wait(); {
		case errors.Is(err, errExited):
			close(w.gone)
			return
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return // closed
		}
	}
}

// nextInotify drains events: what they say does not matter, the path is asked.
func (w *NetnsWatch) nextInotify() error {
	var buf [4096]byte
	_, err := w.file.Read(buf[:])
	return err
}

var errExited = errors.New("the process has ended")

func (w *NetnsWatch) nextPidfd() error {
	rc, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	exited := func(fd uintptr) bool {
		revents, _ := pollNow(fd, unix.POLLIN)
		return revents != 0
	}
	if err := rc.Read(exited); err != nil {
		return err
	}
	return errExited
}

// openInotify watches the directory rather than the name: the inode under a bind mount is the namespace itself, whose
// events are not those of the name.
func openInotify(path string) (int, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return -1, fmt.Errorf("inotify: %w (fs.inotify.max_user_instances is the limit)", err)
	}
	const events = unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_CREATE | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), events); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("inotify: %s: %w (fs.inotify.max_user_watches is the limit)", filepath.Dir(path), err)
	}
	return fd, nil
}

func openPidfd(digits string) (int, error) {
	pid, err := strconv.Atoi(digits)
	if err != nil {
		return -1, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd of process %d: %w", pid, err)
	}
	// PIDFD_NONBLOCK would need Linux 5.10; os.NewFile wants the flag to hand the descriptor to the netpoller.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// watchNetns turns the watch into State.NetnsGone.
func (d *Device) watchNetns(path string) error {
	if path == "" {
		return nil
	}
	w, err := WatchNetns(path)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	d.wg.Go(func() { d.awaitNetns(w) }) // ended by Close
	return nil
}

func (d *Device) awaitNetns(w *NetnsWatch) {
	defer w.Close()
	select {
	case <-w.Gone():
		d.update(func(s *State) { s.NetnsGone = true })
	case <-d.ctx.Done():
	}
}

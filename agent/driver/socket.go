package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const socketName = "socket"

// listenSocket makes the socket of a state directory and returns its
// descriptor. The agent listens for the supervisor that it starts, and can
// dial at once: nobody polls for a socket to appear.
func listenSocket(dir string) (*os.File, error) {
	at, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	path := viaDir(at)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), socketName)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		file.Close()
		return nil, fmt.Errorf("bind socket in %s: %w", dir, err)
	}
	if err := unix.Listen(fd, 64); err != nil {
		file.Close()
		return nil, fmt.Errorf("listen on socket in %s: %w", dir, err)
	}
	return file, nil
}

// dialSocket connects to the supervisor of a state directory. It fails with
// ECONNREFUSED or ENOENT when there is none.
func dialSocket(ctx context.Context, dir string) (net.Conn, error) {
	at, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", viaDir(at))
	if err != nil {
		return nil, fmt.Errorf("dial supervisor in %s: %w", dir, err)
	}
	return conn, nil
}

func openDir(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// viaDir is a short name for the socket: the path of a unix socket has room
// for 107 bytes, and data directories may be longer.
func viaDir(dir *os.File) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + socketName
}

package driver

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxFiles is how many descriptors come with one request: 0, 1 and 2 of a command.
const maxFiles = 3

func encodeLine(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(text, '\n'), err
}

// sendRights sends bytes and descriptors in one message.
func (l *link) sendRights(b []byte, fds []int) error {
	conn, ok := l.Conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("send descriptors: the connection is a %T", l.Conn)
	}
	_, _, err := conn.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	return err
}

// fileReader reads a supervisor's connection and keeps the files that come with its
// bytes until somebody takes them.
type fileReader struct {
	conn  *net.UnixConn
	files []*os.File
}

// Read implements io.Reader.
func (r *fileReader) Read(p []byte) (int, error) {
	rights := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, m, _, _, err := r.conn.ReadMsgUnix(p, rights)
	if m > 0 {
		r.keep(rights[:m])
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// keep takes over descriptors; they are closed on exec already. More than one
// request may bring are not kept.
func (r *fileReader) keep(rights []byte) {
	messages, _ := unix.ParseSocketControlMessage(rights)
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			r.files = append(r.files, os.NewFile(uintptr(fd), "received"))
		}
	}
	for len(r.files) > maxFiles {
		r.files[0].Close()
		r.files = r.files[1:]
	}
}

// take hands the files over to the caller.
func (r *fileReader) take() []*os.File {
	files := r.files
	r.files = nil
	return files
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

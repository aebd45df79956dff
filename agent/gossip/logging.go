package gossip

import (
	"bytes"
	"log"

	"github.com/hashicorp/go-hclog"
)

// levels maps memberlist's words to ours. memberlist warns of what is daily
// business here (a refuted suspicion, a lost packet), so everything goes down
// a step; the roster's own events are logged by Gossip.
var levels = []struct {
	prefix string
	level  hclog.Level
}{
	{"[DEBUG]", hclog.Trace},
	{"[INFO]", hclog.Debug},
	{"[WARN]", hclog.Debug},
	{"[ERR]", hclog.Info},
	{"[ERROR]", hclog.Info},
}

// logWriter passes memberlist's lines on to an hclog.Logger.
type logWriter struct{ log hclog.Logger }

func memberlistLogger(l hclog.Logger) *log.Logger {
	return log.New(logWriter{l.Named("memberlist")}, "", 0)
}

// Write implements io.Writer, one line at a time.
func (w logWriter) Write(line []byte) (int, error) {
	rest, level := line, hclog.Debug
	for _, l := range levels {
		if r, ok := bytes.CutPrefix(line, []byte(l.prefix)); ok {
			rest, level = r, l.level
			break
		}
	}
	if level >= w.log.GetLevel() {
		rest = bytes.TrimPrefix(bytes.TrimSpace(rest), []byte("memberlist: "))
		w.log.Log(level, string(rest))
	}
	return len(line), nil
}

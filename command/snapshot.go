package command

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/posener/complete"
)

func snapshotVerbs() entries {
	return entries{
		noun("operator snapshot", "Save the state of the cluster and bring it back"),
		{name: "operator snapshot save", make: snapshotSave},
		{name: "operator snapshot restore", make: snapshotRestore},
		{name: "operator snapshot inspect", make: snapshotInspect},
		{name: "operator snapshot state", make: snapshotState},
	}
}

func snapshotSave() verb {
	var stale bool
	return verb{
		args: "[FILE]", max: 1,
		short: "Save the state to a file",
		long:  `Saves the state of the servers to FILE (default backup-TIME.snap). The file is complete and checked before it gets its name. It holds secrets; keep it as one.`,
		flags: []flagRow{{"stale", "", "From whichever server is asked, even when there is no leader.", &stale, nil}},
		run: func(s *session, args []string) error {
			path := "backup-" + s.time().UTC().Format("20060102T150405Z") + ".snap"
			if len(args) == 1 {
				path = args[0]
			}
			if _, err := os.Stat(path); err == nil {
				return fmt.Errorf("save snapshot: %s exists; name another", path)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			r, err := c.Operator().Snapshot(queryStale(stale))
			if err != nil {
				return fmt.Errorf("save snapshot: %w", err)
			}
			defer r.Close()
			info, err := saveChecked(path, r)
			if err != nil {
				return fmt.Errorf("save snapshot: %w", err)
			}
			s.printf("State file written to %s (index %d, %s)\n", path, info.Index, bytes(uint64(info.FileSize)))
			return nil
		},
	}
}

// saveChecked writes a snapshot beside path, reads it back, and gives it its name.
func saveChecked(path string, r io.Reader) (snapshotInfo, error) {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return snapshotInfo{}, err
	}
	defer os.Remove(part)
	defer f.Close()
	if _, err = io.Copy(f, r); err != nil {
		return snapshotInfo{}, err
	}
	if err = f.Sync(); err != nil {
		return snapshotInfo{}, err
	}
	info, err := inspectSnapshot(part)
	if err != nil {
		return info, err
	}
	return info, os.Rename(part, path)
}

func snapshotRestore() verb {
	var yes bool
	return verb{
		args: "FILE", min: 1, max: 1, predict: complete.PredictFiles("*.snap"),
		short: "Replace the state of the cluster by a saved one",
		long:  "Replaces the state of all servers by that of FILE, which is checked first. What was decided since it was saved is forgotten; running tasks are compared with the restored state and go on or stop.",
		flags: []flagRow{{"yes", "", "Do not ask.", &yes, nil}},
		run: func(s *session, args []string) error {
			info, err := inspectSnapshot(args[0])
			if err != nil {
				return fmt.Errorf("restore snapshot: %w", err)
			}
			// Scripts restore without a word, as everywhere; a person is asked.
			if !yes && s.interactive() {
				if err := s.confirm(fmt.Sprintf("Replace the state of the cluster at %s by %s (index %d)?", s.address(), args[0], info.Index)); err != nil {
					return err
				}
			}
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("restore snapshot: %w", err)
			}
			defer f.Close()
			c, err := s.client()
			if err != nil {
				return err
			}
			if _, err := c.Operator().SnapshotRestore(f, nil); err != nil {
				return fmt.Errorf("restore snapshot: %w", err)
			}
			s.printf("Snapshot Restored (index %d)\n", info.Index)
			return nil
		},
	}
}

// snapshotInfo is what a snapshot says about itself.
type snapshotInfo struct {
	Format      string
	Index, Term uint64
	Size        int64 // of the state, uncompressed
	FileSize    int64
	Records     []snapshotRecords
}

// snapshotRecords are the records of one kind.
type snapshotRecords struct {
	Kind  string
	Count int
	Size  int64
}

// snapshotKinds names the kinds of records by their number, which are kept for
// ever. A kind of a newer version is shown by its number.
var snapshotKinds = []struct {
	first byte
	names []string
}{
	{1, []string{"Index", "Mark", "Namespace", "NodePool", "SchedulerConfig", "ClusterMetadata", "Node", "Job", "JobVersion", "JobSubmission",
		"JobSummary", "Evaluation", "Deployment", "PlacementMetric", "Allocation", "ServiceRegistration", "IdempotencyToken", "ScalingEvents", "PeriodicLaunch"}},
	{30, []string{"ACLPolicy", "ACLRole", "ACLToken", "ACLAuthMethod", "ACLBindingRule", "OneTimeToken", "ACLBootstrap"}},
	{50, []string{"RootKey", "KeyEncryptionKey", "Variable", "VariableLock"}},
	{60, []string{"CSIVolume", "HostVolume"}},
	{70, []string{"Autopilot"}},
	{80, []string{"Rebalancing"}},
}

func snapshotKind(kind byte) string {
	for _, block := range snapshotKinds {
		if kind >= block.first && int(kind-block.first) < len(block.names) {
			return block.names[kind-block.first]
		}
	}
	return fmt.Sprintf("Kind%d", kind)
}

func snapshotInspect() verb {
	var o output
	return verb{
		args: "FILE", min: 1, max: 1, local: true, predict: complete.PredictFiles("*.snap"),
		short: "Show what a saved state holds, and check it",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			info, err := inspectSnapshot(args[0])
			if err != nil {
				return fmt.Errorf("inspect snapshot: %w", err)
			}
			if o.wanted() {
				return o.print(s, info)
			}
			s.pairs([2]string{"Format", info.Format}, [2]string{"Index", fmt.Sprint(info.Index)}, [2]string{"Term", fmt.Sprint(info.Term)},
				[2]string{"Size", bytes(uint64(info.Size))}, [2]string{"File Size", bytes(uint64(info.FileSize))})
			s.section("Contents")
			rows := []string{row("Type", "Count", "Size")}
			for _, r := range info.Records {
				rows = append(rows, row(r.Kind, fmt.Sprint(r.Count), bytes(uint64(r.Size))))
			}
			s.table(rows)
			return nil
		},
	}
}

func snapshotState() verb {
	return verb{
		args: "FILE", min: 1, max: 1, local: true, predict: complete.PredictFiles("*.snap"),
		short: "Print a saved state as JSON",
		long:  "Prints every record of a saved state, one JSON object a line, with its kind. It holds secrets.",
		run: func(s *session, args []string) error {
			_, err := readSnapshot(args[0], func(kind byte, body []byte) error {
				line, err := json.Marshal(struct {
					Kind   string
					Record json.RawMessage
				}{snapshotKind(kind), body})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(s.out, "%s\n", line)
				return err
			})
			if err != nil {
				return fmt.Errorf("read snapshot: %w", err)
			}
			return nil
		},
	}
}

// inspectSnapshot counts a snapshot's records and checks its checksum.
func inspectSnapshot(path string) (snapshotInfo, error) {
	counts := map[byte]*snapshotRecords{}
	info, err := readSnapshot(path, func(kind byte, body []byte) error {
		if counts[kind] == nil {
			counts[kind] = &snapshotRecords{Kind: snapshotKind(kind)}
		}
		counts[kind].Count++
		counts[kind].Size += int64(len(body))
		return nil
	})
	for _, c := range counts {
		info.Records = append(info.Records, *c)
	}
	sort.Slice(info.Records, func(i, j int) bool {
		a, b := info.Records[i], info.Records[j]
		return a.Size > b.Size || a.Size == b.Size && a.Kind < b.Kind
	})
	return info, err
}

const (
	snapshotFormat = "selfheal backup "
	stateFormat    = "selfheal state "
	// maxSnapshotRecord bounds one record, so that a damaged length does not ask for
	// all memory.
	maxSnapshotRecord = 1 << 30
)

// readSnapshot calls each for every record of a snapshot: gzip of one line of JSON
// (format, index, term, size), then the state: one line with its format, records
// of a kind byte, a length as uvarint and JSON, a zero byte, and the CRC-32C of
// all of the state before it, big-endian.
func readSnapshot(path string, each func(kind byte, body []byte) error) (snapshotInfo, error) {
	var info snapshotInfo
	f, err := os.Open(path)
	if err != nil {
		return info, err
	}
	defer f.Close()
	if stat, err := f.Stat(); err == nil {
		info.FileSize = stat.Size()
	}
	if err := info.read(f, each); err != nil {
		return info, fmt.Errorf("%s is %w", path, err)
	}
	return info, nil
}

// read reads a snapshot's header and records.
func (info *snapshotInfo) read(f io.Reader, each func(kind byte, body []byte) error) error {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("not a snapshot: %w", err)
	}
	b := bufio.NewReaderSize(z, 64<<10)
	line, err := b.ReadSlice('\n')
	if err != nil || json.Unmarshal(line, info) != nil || !strings.HasPrefix(info.Format, snapshotFormat) {
		return errors.New("not a snapshot that this version knows")
	}
	r := &recordReader{r: b, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	if err := r.all(each); err != nil {
		return fmt.Errorf("damaged: %w", err)
	}
	return nil
}

// recordReader reads the records of a state.
type recordReader struct {
	r   *bufio.Reader
	sum hash.Hash32
}

// ReadByte reads one byte of the state.
func (r *recordReader) ReadByte() (byte, error) {
	b, err := r.r.ReadByte()
	if err == nil {
		r.sum.Write([]byte{b})
	}
	return b, err
}

func (r *recordReader) all(each func(kind byte, body []byte) error) error {
	line, err := r.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, stateFormat) {
		return errors.New("it does not begin as a state does")
	}
	r.sum.Write([]byte(line))
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return short(err)
		}
		if kind == 0 {
			break
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return short(err)
		}
		if size > maxSnapshotRecord {
			return fmt.Errorf("a record of %d bytes", size)
		}
		body, err := io.ReadAll(io.LimitReader(r.r, int64(size)))
		if err != nil || uint64(len(body)) != size {
			return short(err)
		}
		r.sum.Write(body)
		if err := each(kind, body); err != nil {
			return err
		}
	}
	var want [4]byte
	if _, err := io.ReadFull(r.r, want[:]); err != nil {
		return short(err)
	}
	if binary.BigEndian.Uint32(want[:]) != r.sum.Sum32() {
		return errors.New("its checksum does not match")
	}
	return nil
}

// short words the end of a file where there should be more.
func short(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

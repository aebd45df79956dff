package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// batch is a batch job of one mock task that runs for a while.
func batch(id, runFor string) *api.Job {
	job := service(id, 1)
	job.Type = ptr(api.JobTypeBatch)
	job.TaskGroups[0].Tasks[0].Config = map[string]any{"run_for": runFor}
	return job
}

// launches lists what a job has launched, by the end of the IDs.
func (s *sim) launches(job string) []string {
	s.t.Helper()
	list, _, err := s.api().Jobs().List(&api.QueryOptions{Prefix: job + "/"})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, j := range list {
		if j.ParentID == job {
			out = append(out, strings.TrimPrefix(j.ID, job+api.JobPeriodicLaunchSuffix))
		}
	}
	return out
}

// launched waits until a job has launched n times.
func (s *sim) launched(job string, n int, limit time.Duration) {
	s.t.Helper()
	s.eventually(limit, fmt.Sprintf("%s was launched %d times", job, n), func() error {
		if l := s.launches(job); len(l) != n {
			return fmt.Errorf("launched %v", l)
		}
		return nil
	})
}

func (s *sim) register(job *api.Job) {
	s.t.Helper()
	s.eventually(20*time.Second, "the job is registered", func() error {
		_, _, err := s.api().Jobs().Register(job, nil)
		return err
	})
}

// every is a schedule in seconds: the first of seven fields.
func every(seconds int) *string { return ptr(fmt.Sprintf("*/%d * * * * * *", seconds)) }

// A periodic job is launched on time, once a time, over a failover and over a pause
// without any leader, after which it is caught up once.
func TestPeriodicJobOverFailover(t *testing.T) {
	bubble(t, 3, 2, func(s *sim) {
		job := batch("cron", "1s")
		job.Periodic = &api.PeriodicConfig{Spec: every(10), TimeZone: ptr("UTC")}
		s.register(job)
		start := time.Now().Truncate(10 * time.Second)
		at := func(n int) time.Time { return start.Add(time.Duration(n) * 10 * time.Second) }
		s.launched("cron", 1, 11*time.Second)
		if late := time.Since(at(1)); late > time.Second {
			s.t.Errorf("the launch came %v late", late)
		}
		lead := s.leader()
		lead.crash()
		s.launched("cron", 2, 15*time.Second)
		lead.start()
		time.Sleep(5 * time.Second)

		// Nobody leads while the third to fifth come due: one launch makes up for them.
		for _, a := range s.servers[:2] {
			a.crash()
		}
		time.Sleep(time.Until(at(5)) + time.Second)
		for _, a := range s.servers[:2] {
			a.start()
		}
		s.leader()
		s.launched("cron", 3, 8*time.Second)
		s.launched("cron", 4, 11*time.Second)
		want := fmt.Sprint([]int64{at(1).Unix(), at(2).Unix(), at(3).Unix(), at(6).Unix()})
		if got := fmt.Sprint(s.launches("cron")); got != want {
			s.t.Errorf("launched at %s, want %s", got, want)
		}
		s.eventually(8*time.Second, "every launch has ended", func() error { return s.children("cron", api.JobChildrenSummary{Dead: 4}) })
	})
}

func (s *sim) children(job string, want api.JobChildrenSummary) error {
	sum, _, err := s.api().Jobs().Summary(job, nil)
	if err != nil {
		return err
	}
	if c := sum.Children; c == nil || *c != want {
		return fmt.Errorf("children %+v", c)
	}
	return nil
}

// Time zone, several schedules, a change of the schedule, prohibit_overlap, force,
// stop, and the collection of what has ended.
func TestPeriodicJobsAsDeclared(t *testing.T) {
	bubble(t, 1, 1, func(s *sim) {
		start := time.Now().Truncate(time.Minute).Add(time.Minute)
		slow := batch("slow", "25s")
		slow.Periodic = &api.PeriodicConfig{Spec: every(10), ProhibitOverlap: ptr(true)}
		off := batch("off", "1s")
		off.Periodic = &api.PeriodicConfig{Spec: every(10), Enabled: ptr(false)}
		tokyo := batch("tokyo", "1s") // nine hours ahead of UTC
		tokyo.Periodic = &api.PeriodicConfig{TimeZone: ptr("Asia/Tokyo")}
		for _, after := range []time.Duration{time.Minute, 2 * time.Minute} {
			tokyo.Periodic.Specs = append(tokyo.Periodic.Specs, start.Add(9*time.Hour+after).UTC().Format("4 15 * * *"))
		}
		time.Sleep(time.Until(start) + time.Second)
		for _, j := range []*api.Job{slow, off, tokyo} {
			s.register(j)
		}
		ids := func(seconds ...int) string {
			var out []int64
			for _, n := range seconds {
				out = append(out, start.Unix()+int64(n))
			}
			return fmt.Sprint(out)
		}
		time.Sleep(time.Until(start.Add(65 * time.Second)))
		// Launched at 10 it runs to 35; the next that may is at 40, to 65.
		if got := fmt.Sprint(s.launches("slow")); got != ids(10, 40) {
			s.t.Errorf("slow was launched at %s", got)
		}
		if _, _, err := s.api().Jobs().PeriodicForce("slow", nil); err != nil {
			s.t.Error(err)
		}
		s.launched("slow", 3, time.Second)
		if _, _, err := s.api().Jobs().Deregister("slow", false, nil); err != nil {
			s.t.Fatal(err)
		}
		if _, _, err := s.api().Jobs().PeriodicForce("slow", nil); err == nil || !strings.Contains(err.Error(), "stopped") {
			s.t.Errorf("a stopped job was launched: %v", err)
		}
		off.Periodic.Enabled = ptr(true)
		s.register(off)
		time.Sleep(time.Until(start.Add(125 * time.Second)))
		if got := fmt.Sprint(s.launches("off")); got != ids(70, 80, 90, 100, 110, 120) {
			s.t.Errorf("off was launched at %s", got)
		}
		if got := fmt.Sprint(s.launches("tokyo")); got != ids(60, 120) {
			s.t.Errorf("tokyo was launched at %s", got)
		}
		if n := len(s.launches("slow")); n != 3 {
			s.t.Errorf("a stopped job was launched: %d", n)
		}
		if err := s.api().System().GarbageCollect(); err != nil {
			s.t.Fatal(err)
		}
		s.launched("off", 0, time.Second)
		if err := s.children("off", api.JobChildrenSummary{Dead: 6}); err != nil {
			s.t.Error(err)
		}
		s.launched("off", 1, 10*time.Second) // collected launches do not come back
	})
}

// A dispatched job has its parent's work to do, its own meta and payload.
func TestDispatch(t *testing.T) {
	bubble(t, 1, 1, func(s *sim) {
		job := batch("work", "5s")
		job.Meta = map[string]string{"who": "nobody"}
		job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: "required", MetaRequired: []string{"who"}}
		job.TaskGroups[0].Tasks[0].DispatchPayload = &api.DispatchPayloadConfig{File: "in/put"}
		s.register(job)
		resp, _, err := s.api().Jobs().Dispatch("work", map[string]string{"who": "me"}, []byte("hello"), "", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		s.whole(resp.DispatchedJobID, 1, 5*time.Second)
		list, _, err := s.api().Jobs().Allocations(resp.DispatchedJobID, true, nil)
		if err != nil || len(list) != 1 {
			s.t.Fatal(list, err)
		}
		text, err := os.ReadFile(filepath.Join(s.dir, s.clients[0].name, "alloc", list[0].ID, "task", "local", "in", "put"))
		if err != nil || string(text) != "hello" {
			s.t.Errorf("payload %q, %v", text, err)
		}
		if err := s.children("work", api.JobChildrenSummary{Running: 1}); err != nil {
			s.t.Error(err)
		}
		s.eventually(10*time.Second, "it has ended", func() error { return s.children("work", api.JobChildrenSummary{Dead: 1}) })
	})
}

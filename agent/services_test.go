package agent

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// backend is what a mock task would be if it listened: a server on its host that a
// test starts and ends.
type backend struct {
	srv  *http.Server
	done chan struct{}
}

// listen serves at the address of a registration, on its node's host.
func (s *sim) listen(reg *api.ServiceRegistration) *backend {
	s.t.Helper()
	ln, err := s.net.Host(reg.Address).Listen(fmt.Sprintf("%s:%d", reg.Address, reg.Port))
	if err != nil {
		s.t.Fatal(err)
	}
	b := &backend{srv: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.srv.Serve(ln)
	}()
	return b
}

func (b *backend) close() {
	b.srv.Close()
	<-b.done
}

// checkedJob is a job of n whose deployment waits for an HTTP check.
func checkedJob(n int) *api.Job {
	job := service("web", n)
	g := job.TaskGroups[0]
	g.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}}
	g.Services = []*api.Service{{Name: "web", PortLabel: "http", Provider: "nomad", Checks: []api.ServiceCheck{
		{Type: "http", Path: "/", Interval: 2 * time.Second, Timeout: time.Second},
	}}}
	g.Update = update(n, 0)
	g.Update.HealthCheck = ptr("checks")
	return job
}

// catalogue waits until n instances of web are registered, and returns them.
func (s *sim) catalogue(n int) []*api.ServiceRegistration {
	s.t.Helper()
	var out []*api.ServiceRegistration
	s.eventually(30*time.Second, fmt.Sprintf("%d instances are registered", n), func() error {
		got, _, err := s.api().Services().Get("web", nil)
		if err == nil && len(got) != n {
			err = fmt.Errorf("%d are", len(got))
		}
		out = got
		return err
	})
	return out
}

// endpoints is where the instances of a job are to listen, as their allocations say.
func (s *sim) endpoints(job string) (out []*api.ServiceRegistration) {
	s.t.Helper()
	list, _, err := s.api().Jobs().Allocations(job, false, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, stub := range list {
		a, _, err := s.api().Allocations().Info(stub.ID, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		p := a.AllocatedResources.Shared.Ports[0]
		for _, c := range s.clients {
			if c.id.ID == a.NodeID {
				out = append(out, &api.ServiceRegistration{AllocID: a.ID, NodeID: a.NodeID, Address: c.ip, Port: p.Value})
			}
		}
	}
	return out
}

func (s *sim) checksOf(alloc string) api.AllocCheckStatuses {
	s.t.Helper()
	checks, err := s.api().Allocations().Checks(alloc, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return checks
}

// A service is registered with its address, its deployment waits for its checks,
// the instance that fails comes last, and the catalogue follows the death and the
// return of a host.
func TestServicesThroughACluster(t *testing.T) {
	bubble(t, 3, 4, func(s *sim) {
		if _, _, err := s.api().Jobs().Register(checkedJob(3), nil); err != nil {
			s.t.Fatal(err)
		}
		s.whole("web", 3, 10*time.Second)
		s.catalogue(0) // nothing listens yet
		all := s.endpoints("web")
		backends := map[string]*backend{}
		for _, reg := range all[1:] {
			backends[reg.AllocID] = s.listen(reg)
		}
		time.Sleep(8 * time.Second)
		d, _, err := s.api().Jobs().LatestDeployment("web", nil)
		if err != nil || d.TaskGroups["group"].HealthyAllocs != 2 || d.Status != "running" {
			s.t.Fatalf("two of three answer: deployment %s, %+v, %v", d.Status, d.TaskGroups["group"], err)
		}
		for _, reg := range s.catalogue(2) {
			if reg.AllocID == all[0].AllocID {
				s.t.Errorf("an instance that has never answered is registered: %s", reg.ID)
			}
		}
		backends[all[0].AllocID] = s.listen(all[0])
		s.deployed("web", "successful", 0, 15*time.Second)
		s.catalogue(3)
		backends[all[1].AllocID].close()
		time.Sleep(8 * time.Second)
		if last := s.catalogue(3)[2]; last.AllocID != all[1].AllocID {
			s.t.Errorf("the instance that does not answer any more is not the last: %s", last.ID)
		}
		backends[all[1].AllocID] = s.listen(all[1])
		s.eventually(10*time.Second, "it answers again", func() error {
			for _, c := range s.checksOf(all[1].AllocID) {
				if c.Status != "success" {
					return fmt.Errorf("its check is %s", c.Status)
				}
			}
			return nil
		})

		checks, err := s.api().Allocations().Checks(all[0].AllocID, nil)
		if err != nil || len(checks) != 1 {
			s.t.Fatalf("checks of an allocation, through a server: %v, %v", checks, err)
		}
		for _, c := range checks {
			if c.Status != "success" || c.StatusCode != 200 || c.Service != "web" {
				s.t.Errorf("check %+v", c)
			}
		}

		victim := s.clients[0]
		for _, each := range s.clients {
			if each.id.ID == all[0].NodeID {
				victim = each
			}
		}
		for id, b := range backends { // what listens on the host dies with it
			for _, reg := range all {
				if reg.AllocID == id && reg.NodeID == victim.id.ID {
					b.close()
					delete(backends, id)
				}
			}
		}
		victim.die()
		s.eventually(20*time.Second, "nobody is sent to the dead host any more", func() error {
			for _, reg := range s.catalogue(len(backends)) { // the new ones do not listen
				if reg.NodeID == victim.id.ID {
					return fmt.Errorf("%s is registered", reg.ID)
				}
			}
			return nil
		})
		for _, b := range backends {
			b.close()
		}
	})
}

// A node that was cut off for a while and comes back with its tasks is in the
// catalogue again.
func TestServicesReturnWithTheirNode(t *testing.T) {
	bubble(t, 1, 2, func(s *sim) {
		job := checkedJob(2)
		job.TaskGroups[0].Services[0].Checks = nil
		job.TaskGroups[0].Constraints = []*api.Constraint{{Operand: "distinct_hosts", RTarget: "true"}}
		job.TaskGroups[0].Disconnect = &api.DisconnectStrategy{LostAfter: ptr(time.Hour), Replace: ptr(false)}
		s.run(job, 2)
		before := s.catalogue(2)
		var cut *simAgent
		for _, each := range s.clients {
			if each.id.ID == before[0].NodeID {
				cut = each
			}
		}
		s.net.Unplug(cut.ip)
		if left := s.catalogue(1); left[0].ID != before[1].ID {
			s.t.Errorf("%s is left", left[0].ID)
		}
		s.net.Plug(cut.ip)
		if after := s.catalogue(2); after[0].ID != before[0].ID || after[1].ID != before[1].ID {
			s.t.Errorf("registered after the return: %s, %s", after[0].ID, after[1].ID)
		}
	})
}

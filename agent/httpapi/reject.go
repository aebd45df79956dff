package httpapi

import "net/http"

// mayRegister refuses new work while RejectJobRegistration is set in the scheduler
// configuration, so that operators can shed load in an incident: registrations, dispatches
// and scaling, of everyone but the management tokens. Without access control nobody has one.
func (a *API) mayRegister(r *request) error {
	if !a.cfg.State.Snapshot().SchedulerConfig(nil).RejectJobRegistration || a.cfg.ACL.Enabled && r.rights().Management() {
		return nil
	}
	return &Error{http.StatusForbidden, "job registration is switched off: see RejectJobRegistration in the scheduler configuration"}
}

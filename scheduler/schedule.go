package scheduler

// Schedule decides what becomes of one job. It changes nothing that can be observed;
// the caller applies the plan.
func Schedule(req Request) Plan {
	return Plan{}
}

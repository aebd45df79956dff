package state

func (t *tx) wakeBlocked()               {}
func (t *tx) storeSummaries()            {}
func (t *tx) storeJobStatuses()          {}
func (t *tx) count(before, after *Alloc) {}

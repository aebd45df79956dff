package httpapi

// enterpriseRoutes are the paths of the Nomad API that only its Enterprise edition
// answers: refused with a text that says so, because a silent 404 would look like a
// wrong address. Who has no token is told no more than elsewhere.
func enterpriseRoutes() []route {
	var table []route
	for _, e := range enterprise {
		for _, m := range e.methods {
			table = append(table, route{method: m, path: e.path, right: identified, where: here, do: enterpriseOnly})
		}
	}
	return table
}

func enterpriseOnly(*API, *request) (any, error) { return nil, errEnterprise }

// enterpriseRoute is one path with the methods that the Nomad API has for it.
type enterpriseRoute struct {
	path    string
	methods []string
}

var (
	onlyGet   = []string{get}
	onlyPut   = []string{put}
	getPut    = []string{get, put}
	getPutDel = []string{get, put, del}
)

var enterprise = []enterpriseRoute{
	{"/v1/deployment/unblock/{id}", onlyPut},
	{"/v1/client/allocation/{alloc}/pause", getPut},
	{"/v1/operator/license", onlyPut},
	{"/v1/operator/utilization", getPut},
	{"/v1/sentinel/policies", onlyGet},
	{"/v1/sentinel/policy/{name}", getPutDel},
	{"/v1/quotas", onlyGet},
	{"/v1/quota-usages", onlyGet},
	{"/v1/quota", onlyPut},
	{"/v1/quota/{name}", getPutDel},
	{"/v1/quota/usage/{name}", onlyGet},
	{"/v1/recommendation", onlyPut},
	{"/v1/recommendation/{id}", getPutDel},
	{"/v1/recommendations", onlyGet},
	{"/v1/recommendations/apply", onlyPut},
}

package httpapi

// laterRoutes are the paths of the Nomad API that this version refuses: with a
// text that says so, because a silent 404 would look like a wrong address.
func laterRoutes() []route {
	var table []route
	for _, l := range later {
		for _, m := range l.methods {
			table = append(table, route{method: m, path: l.path, right: anyone, where: here, do: refuse(l.what)})
		}
	}
	for _, e := range enterprise {
		for _, m := range e.methods {
			table = append(table, route{method: m, path: e.path, right: anyone, where: here, do: enterpriseOnly})
		}
	}
	return table
}

func refuse(what string) handler {
	err := notYet(what)
	return func(*API, *request) (any, error) { return nil, err }
}

func enterpriseOnly(*API, *request) (any, error) { return nil, errEnterprise }

// refused is one path with the methods that the Nomad API has for it.
type refused struct {
	path    string
	what    string
	methods []string
}

var (
	onlyGet   = []string{get}
	onlyPut   = []string{put}
	onlyDel   = []string{del}
	getPut    = []string{get, put}
	getDel    = []string{get, del}
	getPutDel = []string{get, put, del}
	putDel    = []string{put, del}
)

var later = []refused{
	{"/v1/client/identity", "node identity", onlyGet},
	{"/v1/client/identity/renew", "node identity", onlyPut},
	{"/v1/operator/keyring/keys", "the root keyring", onlyGet},
	{"/v1/operator/keyring/key/{id}", "the root keyring", onlyDel},
	{"/v1/operator/keyring/rotate", "the root keyring", onlyPut},
	{"/.well-known/openid-configuration", "OpenID discovery", onlyGet},
	{"/v1/acl/bootstrap", "ACLs", onlyPut},
	{"/v1/acl/policies", "ACLs", onlyGet},
	{"/v1/acl/policy/{name}", "ACLs", getPutDel},
	{"/v1/acl/tokens", "ACLs", onlyGet},
	{"/v1/acl/token", "ACLs", onlyPut},
	{"/v1/acl/token/{id}", "ACLs", getPutDel},
	{"/v1/acl/token/self", "ACLs", onlyGet},
	{"/v1/acl/token/onetime", "ACLs", onlyPut},
	{"/v1/acl/token/onetime/exchange", "ACLs", onlyPut},
	{"/v1/acl/roles", "ACLs", onlyGet},
	{"/v1/acl/role", "ACLs", onlyPut},
	{"/v1/acl/role/{id}", "ACLs", getPutDel},
	{"/v1/acl/role/name/{name}", "ACLs", onlyGet},
	{"/v1/acl/auth-methods", "ACLs", onlyGet},
	{"/v1/acl/auth-method", "ACLs", onlyPut},
	{"/v1/acl/auth-method/{name}", "ACLs", getPutDel},
	{"/v1/acl/binding-rules", "ACLs", onlyGet},
	{"/v1/acl/binding-rule", "ACLs", onlyPut},
	{"/v1/acl/binding-rule/{id}", "ACLs", getPutDel},
	{"/v1/acl/oidc/auth-url", "ACLs", onlyPut},
	{"/v1/acl/oidc/complete-auth", "ACLs", onlyPut},
	{"/v1/acl/login", "ACLs", onlyPut},
	{"/v1/acl/identity/client-introduction-token", "ACLs", onlyPut},
	{"/v1/vars", "variables", onlyGet},
	{"/v1/var/{path...}", "variables", getPutDel},
}

var enterprise = []refused{
	{"/v1/deployment/unblock/{id}", "", onlyPut},
	{"/v1/client/allocation/{alloc}/pause", "", getPut},
	{"/v1/operator/license", "", onlyPut},
	{"/v1/operator/utilization", "", getPut},
	{"/v1/sentinel/policies", "", onlyGet},
	{"/v1/sentinel/policy/{name}", "", getPutDel},
	{"/v1/quotas", "", onlyGet},
	{"/v1/quota-usages", "", onlyGet},
	{"/v1/quota", "", onlyPut},
	{"/v1/quota/{name}", "", getPutDel},
	{"/v1/quota/usage/{name}", "", onlyGet},
	{"/v1/recommendation", "", onlyPut},
	{"/v1/recommendation/{id}", "", getPutDel},
	{"/v1/recommendations", "", onlyGet},
	{"/v1/recommendations/apply", "", onlyPut},
}

package client

// Belongs says which namespace an allocation of this node is of, and the driver of each
// of its tasks. known false: it is not, and was not, this node's.
func (c *Client) Belongs(allocID string) (namespace string, drivers map[string]string, known bool) {
	drivers = map[string]string{}
	err := c.ask(allocID, func(a *alloc) error {
		namespace = a.want.Namespace
		for _, t := range a.tasks {
			drivers[t.spec.Name] = t.spec.Driver
		}
		return nil
	})
	return namespace, drivers, err == nil
}

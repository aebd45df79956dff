package jobspec

// maxPort is the highest TCP or UDP port.
const maxPort = 65535

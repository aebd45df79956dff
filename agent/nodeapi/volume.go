package nodeapi

import "github.com/hashicorp/nomad/api"

// PathVolume is where a server tells a node's agent what to do with a host volume:
// PUT with a VolumeRequest, answered with the volume as the node has it. Every
// operation may be repeated.
const PathVolume = "/v1/internal/node/volume"

// The operations of a VolumeRequest.
const (
	VolumeCreate   = "create"   // make it
	VolumeRegister = "register" // it is there already, at HostPath
	VolumeDelete   = "delete"   // remove it if the node made it, and forget it
)

// VolumeRequest is one operation on one host volume of the node.
type VolumeRequest struct {
	Op     string
	Volume *api.HostVolume
}

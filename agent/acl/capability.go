package acl

// Access is a coarse level of the rules without a label.
type Access uint8

// The levels, each with what is below it.
const (
	None Access = iota
	List        // plugins only
	Read
	Write
)

// Coarse policies, as the policy attribute spells them.
const (
	policyDeny  = "deny"
	policyRead  = "read"
	policyWrite = "write"
	policyScale = "scale"
	policyList  = "list"
)

// Deny takes away what other rules of the same label grant.
const Deny = "deny"

// Capabilities in a namespace.
const (
	ListJobs             = "list-jobs"
	ParseJob             = "parse-job"
	ReadJob              = "read-job"
	SubmitJob            = "submit-job"
	DispatchJob          = "dispatch-job"
	ReadLogs             = "read-logs"
	ReadFS               = "read-fs"
	AllocExec            = "alloc-exec"
	AllocNodeExec        = "alloc-node-exec"
	AllocLifecycle       = "alloc-lifecycle"
	CSIRegisterPlugin    = "csi-register-plugin"
	CSIWriteVolume       = "csi-write-volume"
	CSIReadVolume        = "csi-read-volume"
	CSIListVolume        = "csi-list-volume"
	CSIMountVolume       = "csi-mount-volume"
	HostVolumeCreate     = "host-volume-create"
	HostVolumeRegister   = "host-volume-register"
	HostVolumeRead       = "host-volume-read"
	HostVolumeWrite      = "host-volume-write"
	HostVolumeDelete     = "host-volume-delete"
	ListScalingPolicies  = "list-scaling-policies"
	ReadScalingPolicy    = "read-scaling-policy"
	ReadJobScaling       = "read-job-scaling"
	ScaleJob             = "scale-job"
	SubmitRecommendation = "submit-recommendation"
	SentinelOverride     = "sentinel-override"
)

// Capabilities of a variable's path. They are the verbs of AllowVariable too.
const (
	VariableList    = "list"
	VariableRead    = "read"
	VariableWrite   = "write"
	VariableDestroy = "destroy"
)

// Capabilities of a node pool.
const (
	PoolRead   = "read"
	PoolWrite  = "write"
	PoolDelete = "delete"
)

// Capabilities of a host volume: how a job may mount it.
const (
	MountReadOnly  = "mount-readonly"
	MountReadWrite = "mount-readwrite"
)

// vocabulary is what a kind of labelled rule may say.
type vocabulary struct {
	// policies maps each coarse policy to the capabilities that it stands for.
	policies map[string][]string
	// implied maps each capability to those that come with it.
	implied map[string][]string
}

var readNamespace = []string{
	ListJobs, ParseJob, ReadJob, CSIListVolume, CSIReadVolume, HostVolumeRead,
	ListScalingPolicies, ReadScalingPolicy, ReadJobScaling,
}

var namespaceWords = vocabulary{
	policies: map[string][]string{
		policyDeny: {Deny},
		policyRead: readNamespace,
		policyWrite: append([]string{
			SubmitJob, DispatchJob, ReadLogs, ReadFS, AllocExec, AllocLifecycle, CSIWriteVolume, CSIMountVolume,
			HostVolumeCreate, ScaleJob, SubmitRecommendation,
		}, readNamespace...),
		policyScale: {ListScalingPolicies, ReadScalingPolicy, ReadJobScaling, ScaleJob},
		policyList:  {ListJobs, CSIListVolume, ListScalingPolicies},
	},
	implied: map[string][]string{
		Deny: nil, ListJobs: {CSIListVolume}, ParseJob: nil, ReadJob: {CSIReadVolume, CSIListVolume}, SubmitJob: nil, DispatchJob: nil,
		ReadLogs: nil, ReadFS: {ReadLogs}, AllocExec: nil, AllocNodeExec: nil, AllocLifecycle: nil, CSIRegisterPlugin: nil,
		CSIWriteVolume: {CSIReadVolume, CSIListVolume}, CSIReadVolume: {CSIListVolume}, CSIListVolume: nil,
		CSIMountVolume:   {CSIReadVolume, CSIListVolume},
		HostVolumeCreate: {HostVolumeRead}, HostVolumeRegister: {HostVolumeRead, HostVolumeCreate}, HostVolumeRead: nil,
		HostVolumeWrite:  {HostVolumeRead, HostVolumeCreate, HostVolumeRegister, HostVolumeDelete},
		HostVolumeDelete: nil, ListScalingPolicies: nil, ReadScalingPolicy: nil, ReadJobScaling: nil, ScaleJob: nil,
		SubmitRecommendation: nil, SentinelOverride: nil,
	},
}

var poolWords = vocabulary{
	policies: map[string][]string{
		policyDeny: {Deny}, policyRead: {PoolRead}, policyWrite: {PoolRead, PoolWrite, PoolDelete},
	},
	implied: map[string][]string{Deny: nil, PoolRead: nil, PoolWrite: nil, PoolDelete: nil},
}

var hostVolumeWords = vocabulary{
	policies: map[string][]string{
		policyDeny: {Deny}, policyRead: {MountReadOnly}, policyWrite: {MountReadOnly, MountReadWrite},
	},
	implied: map[string][]string{Deny: nil, MountReadOnly: nil, MountReadWrite: {MountReadOnly}},
}

var variableWords = vocabulary{
	implied: map[string][]string{
		Deny: nil, VariableList: nil, VariableRead: {VariableList}, VariableWrite: {VariableList}, VariableDestroy: nil,
	},
}

// coarseWords are the policies of the rules without a label, by their block.
var coarseWords = map[string]map[string]Access{
	"agent":    {policyDeny: None, policyRead: Read, policyWrite: Write},
	"node":     {policyDeny: None, policyRead: Read, policyWrite: Write},
	"operator": {policyDeny: None, policyRead: Read, policyWrite: Write},
	"quota":    {policyDeny: None, policyRead: Read, policyWrite: Write},
	"plugin":   {policyDeny: None, policyList: List, policyRead: Read, policyWrite: Write},
}

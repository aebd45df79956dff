package state

import (
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Commands about tags of job versions.
const (
	TypeTagVersion Type = 71 + iota
	TypeUntagVersion
)

// TagVersion names a version of a job, which is then kept for as long as it has the
// name. Result: *api.JobVersionTag.
type TagVersion struct {
	Namespace, ID, Name string
	Version             *uint64 // nil: the present one
	Description         string  `json:",omitempty"`
}

// UntagVersion takes the name away. Result: error or nil.
type UntagVersion struct{ Namespace, ID, Name string }

// Type ties the command to its number.
func (*TagVersion) Type() Type { return TypeTagVersion }

// Type ties the command to its number.
func (*UntagVersion) Type() Type { return TypeUntagVersion }

// TaggedVersion is the version of a job that has the name, nil if none has.
func TaggedVersion(versions []*api.Job, name string) *api.Job {
	for _, v := range versions {
		if v.VersionTag != nil && v.VersionTag.Name == name {
			return v
		}
	}
	return nil
}

// maxTag bounds a tag's name in characters, as names of other things.
const maxTag = 128

func applyTagVersion(t *tx, c *TagVersion) any {
	if c.Name == "" || len(c.Name) > maxTag || strings.ContainsAny(c.Name, "/\x00") {
		return invalidf("tag job version: the name %q must have 1 to %d characters and no slash", c.Name, maxTag)
	}
	job := t.Job(nil, c.Namespace, c.ID)
	if job == nil {
		return ErrNotFound{"job", c.ID}
	}
	version := *job.Version
	if c.Version != nil {
		version = *c.Version
	}
	if other := TaggedVersion(t.JobVersions(nil, c.Namespace, c.ID), c.Name); other != nil && *other.Version != version {
		return conflictf("tag %q is on version %d of job %q: take it away first", c.Name, *other.Version, c.ID)
	}
	tag := &api.JobVersionTag{Name: c.Name, Description: c.Description, TaggedTime: t.at}
	if !t.setTag(job, version, tag) {
		return ErrNotFound{"job version", c.ID}
	}
	return tag
}

func applyUntagVersion(t *tx, c *UntagVersion) any {
	job := t.Job(nil, c.Namespace, c.ID)
	if job == nil {
		return ErrNotFound{"job", c.ID}
	}
	tagged := TaggedVersion(t.JobVersions(nil, c.Namespace, c.ID), c.Name)
	if tagged == nil {
		return ErrNotFound{"job version tag", c.Name}
	}
	t.setTag(job, *tagged.Version, nil)
	return nil
}

// setTag stores a version with another tag; false: there is no such version.
func (t *tx) setTag(current *api.Job, version uint64, tag *api.JobVersionTag) bool {
	v := t.version(nil, *current.Namespace, *current.ID, version)
	if v == nil {
		return false
	}
	j := *v.job
	j.VersionTag = tag
	t.putVersion(current, v, &j)
	return true
}

// putVersion stores a version of a job that is not changed in what it asks for.
func (t *tx) putVersion(current *api.Job, v *jobVersion, after *api.Job) {
	if *current.Version == *after.Version {
		t.putJob(current, after)
		return
	}
	after.ModifyIndex = new(t.index)
	t.insert(TableVersions, &jobVersion{after, v.shared})
	t.tables[TableVersions] = struct{}{}
}

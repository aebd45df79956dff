package command

import (
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
)

func volumeVerbs() entries {
	return entries{
		noun("volume", "Look after volumes"),
		{name: "volume create", make: volumeCreate},
		{name: "volume register", make: volumeRegister},
		{name: "volume status", make: volumeStatus},
		{name: "volume init", make: volumeInit},
		{name: "volume delete", make: volumeDelete},
		{name: "volume deregister", make: volumeDeregister},
		{name: "volume detach", make: volumeDetach},
		noun("plugin", "Look at storage plugins"),
		{name: "plugin status", make: pluginStatus},
	}
}

// volumeWrite is a verb that sends a volume's file.
func volumeWrite(short, long string, run func(s *session, c *api.Client, f *volumeFile, detach bool) error) verb {
	var id string
	var detach bool
	return verb{
		args: "FILE", min: 1, max: 1, predict: complete.PredictFiles("*.hcl"),
		short: short, long: long,
		flags: []flagRow{
			{"id", "ID", "Change this volume instead of making another.", &id, nil},
			{"detach", "", "Do not wait until a host volume is ready.", &detach, nil},
		},
		run: func(s *session, args []string) error {
			f, err := s.readVolume(args[0])
			if err != nil {
				return err
			}
			if id != "" {
				f.ID = id
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			return run(s, c, f, detach)
		},
	}
}

func volumeCreate() verb {
	return volumeWrite("Make a volume", `Makes the volume of FILE, as volume init writes one ("-" is standard input): a host volume on a node, or a CSI volume through its plugin.`,
		func(s *session, c *api.Client, f *volumeFile, detach bool) error {
			q := &api.WriteOptions{Namespace: f.Namespace}
			if f.Type == api.CSIVolumeTypeCSI {
				made, _, err := c.CSIVolumes().CreateOpts(&api.CSIVolumeCreateRequest{Volumes: []*api.CSIVolume{f.csi()}}, q)
				if err != nil {
					return fmt.Errorf("create volume: %w", err)
				}
				for _, v := range present(made.Volumes) {
					s.printf("Created external volume %s with ID %s\n", v.ExternalID, v.ID)
				}
				return nil
			}
			made, _, err := c.HostVolumes().Create(&api.HostVolumeCreateRequest{Volume: f.host()}, q)
			if err == nil && (made == nil || made.Volume == nil) {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("create volume: %w", err)
			}
			s.warn(made.Warnings)
			s.printf("Created host volume %s with ID %s\n", made.Volume.Name, made.Volume.ID)
			if detach {
				return nil
			}
			return s.awaitVolume(c, made.Volume)
		})
}

// awaitVolume waits until a host volume is ready or cannot be.
func (s *session) awaitVolume(c *api.Client, v *api.HostVolume) error {
	ctx, stop := s.interruptible()
	defer stop()
	for index := uint64(0); ; {
		q := &api.QueryOptions{Namespace: v.Namespace, WaitIndex: index, WaitTime: 10 * time.Second}
		now, meta, err := c.HostVolumes().Get(v.ID, q.WithContext(ctx))
		if ctx.Err() != nil {
			s.say("No longer watching; the node goes on with it. To look: selfheal volume status %s", shortID(v.ID, false))
			return exitError{code: 1}
		}
		if err == nil && now == nil {
			err = errEmpty
		}
		if err != nil {
			return fmt.Errorf("watch volume: %w", err)
		}
		switch index = max(meta.LastIndex, 1); now.State {
		case api.HostVolumeStateReady:
			s.say("Volume %s is ready on node %s.", shortID(v.ID, false), shortID(now.NodeID, false))
			return nil
		case api.HostVolumeStateUnavailable:
			return fmt.Errorf("volume %s is unavailable: its node %s is away", shortID(v.ID, false), shortID(now.NodeID, false))
		}
	}
}

func volumeRegister() verb {
	return volumeWrite("Register a volume that exists", `Registers the volume of FILE ("-" is standard input), which exists already on a node or in a storage system.`,
		func(s *session, c *api.Client, f *volumeFile, _ bool) error {
			q := &api.WriteOptions{Namespace: f.Namespace}
			if f.Type == api.CSIVolumeTypeCSI {
				if _, _, err := c.CSIVolumes().RegisterOpts(&api.CSIVolumeRegisterRequest{Volumes: []*api.CSIVolume{f.csi()}}, q); err != nil {
					return fmt.Errorf("register volume: %w", err)
				}
				s.printf("Volume %q registered\n", f.ID)
				return nil
			}
			made, _, err := c.HostVolumes().Register(&api.HostVolumeRegisterRequest{Volume: f.host()}, q)
			if err == nil && (made == nil || made.Volume == nil) {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("register volume: %w", err)
			}
			s.warn(made.Warnings)
			s.printf("Registered host volume %s with ID %s\n", made.Volume.Name, made.Volume.ID)
			return nil
		})
}

func volumeInit() verb {
	var kind string
	var isJSON bool
	kind = api.CSIVolumeTypeHost
	return verb{
		args: "[FILE]", max: 1, local: true,
		short: "Write a volume's file to begin with",
		long:  `Writes an example (default volume.hcl or volume.json; "-" is standard output). A file that exists is left alone.`,
		flags: []flagRow{
			{"type", "TYPE", "host (default) or csi.", oneOf(&kind, "host", "csi"), nil},
			{"json", "", "As JSON.", &isJSON, nil},
		},
		run: func(s *session, args []string) error {
			path, text := "volume.hcl", volumeExamples[kind].hcl
			if isJSON {
				path, text = "volume.json", volumeExamples[kind].json
			}
			if len(args) == 1 {
				path = args[0]
			}
			if path == "-" {
				s.printf("%s", text)
				return nil
			}
			if err := writeNew(path, []byte(text), 0o644); err != nil {
				return err
			}
			s.printf("Wrote %s. To make it: selfheal volume create %s\n", path, path)
			return nil
		},
	}
}

func volumeDelete() verb {
	var kind string
	var force bool
	var secrets []string
	kind = api.CSIVolumeTypeHost
	return verb{
		args: "VOLUME", min: 1, max: 1,
		short: "Delete a volume and what is on it",
		flags: []flagRow{
			{"type", "TYPE", "host (default) or csi.", oneOf(&kind, "host", "csi"), nil},
			{"force", "", "A host volume even when its node is away for good.", &force, nil},
			{"secret", "KEY=VALUE", "For the plugin of a CSI volume; may be repeated.", &secrets, nil},
		},
		run: func(s *session, args []string) error {
			values, err := keyValues("-secret", secrets)
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if kind == api.CSIVolumeTypeCSI {
				err = c.CSIVolumes().DeleteOpts(&api.CSIVolumeDeleteRequest{ExternalVolumeID: args[0], Secrets: values}, &api.WriteOptions{Namespace: s.namespace()})
			} else {
				var v *api.HostVolumeStub
				if v, err = s.hostVolume(c, args[0]); err != nil {
					return err
				}
				_, _, err = c.HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: v.ID, Force: force}, &api.WriteOptions{Namespace: v.Namespace})
			}
			if err != nil {
				return fmt.Errorf("delete volume: %w", err)
			}
			s.printf("Successfully deleted volume %q!\n", args[0])
			return nil
		},
	}
}

func volumeDeregister() verb {
	var force, yes bool
	return verb{
		args: "VOLUME", min: 1, max: 1,
		short: "Forget a CSI volume; what is on it stays",
		flags: []flagRow{
			{"force", "", "Even when allocations still claim it.", &force, nil},
			{"yes", "", "Do not ask with -force.", &yes, nil},
		},
		run: func(s *session, args []string) error {
			if force && !yes {
				if err := s.confirm(fmt.Sprintf("Forget volume %q although allocations may use it?", args[0])); err != nil {
					return err
				}
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.CSIVolumes().Deregister(args[0], force, &api.WriteOptions{Namespace: s.namespace()}); err != nil {
				return fmt.Errorf("deregister volume: %w", err)
			}
			s.printf("Successfully deregistered volume %q!\n", args[0])
			return nil
		},
	}
}

func volumeDetach() verb {
	return verb{
		args: "VOLUME NODE", min: 2, max: 2,
		short: "Take a CSI volume off a node",
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			id, err := nodeID(c, args[1])
			if err != nil {
				id = args[1] // the node may be gone: that is what this is for
			}
			if err := c.CSIVolumes().Detach(args[0], id, &api.WriteOptions{Namespace: s.namespace()}); err != nil {
				return fmt.Errorf("detach volume: %w", err)
			}
			s.printf("Detached volume %q from node %s.\n", args[0], shortID(id, false))
			return nil
		},
	}
}

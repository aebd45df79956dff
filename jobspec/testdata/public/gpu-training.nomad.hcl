job "training" {
  datacenters = ["dc1"]
  type        = "batch"
  node_pool   = "gpu"

  group "train" {
    task "nvidia-smi" {
      driver = "docker"

      config {
        image   = "nvidia/cuda:12.4.1-base-ubuntu22.04"
        command = "nvidia-smi"
        runtime = "nvidia"
        devices = [
          {
            host_path          = "/dev/sda1"
            container_path     = "/dev/xvdc"
            cgroup_permissions = "r"
          },
          { host_path = "/dev/sda2" },
        ]
        device_cgroup_rules = ["c 7:* rmw"]
        shm_size            = 268435456
      }

      resources {
        cores   = 8
        memory  = 16384
        secrets = 10

        device "nvidia/gpu" {
          count = 2

          constraint {
            attribute = "${device.attr.memory}"
            operator  = ">="
            value     = "2 GiB"
          }

          constraint {
            attribute = "${device.ids}"
            operator  = "set_contains"
            value     = "abc-123"
          }

          affinity {
            attribute = "${device.model}"
            value     = "Tesla K80"
            weight    = -10
          }
        }

        device "intel/qat" {}

        numa {
          affinity = "require"
          devices  = ["nvidia/gpu"]
        }
      }
    }
  }
}

job "home-assistant" {
  datacenters = ["home"]
  priority    = 70
  group "home-assistant" {
    network {
      port "ui" {
        static       = 8123
        host_network = "lan"
      }
    }
    task "core" {
      driver = "docker"
      config {
        image        = "ghcr.io/home-assistant/home-assistant:stable"
        network_mode = "host"
        privileged   = true
        devices = [{
          host_path      = "/dev/ttyUSB0"
          container_path = "/dev/ttyUSB0"
        }]
        mounts = [
          {
            type     = "bind"
            source   = "/srv/ha"
            target   = "/config"
            readonly = false
            bind_options = {
              propagation = "rshared"
            }
          },
          { type = "tmpfs", target = "/tmp", tmpfs_options = { size = 100000 } },
        ]
        healthchecks {
          disable = true
        }
      }
      env { TZ = "Europe/Vienna" }
      resources {
        cpu        = 500
        memory     = 512
        memory_max = 1024
      }
      service {
        name     = "home-assistant"
        port     = "ui"
        provider = "nomad"
        check {
          type     = "http"
          path     = "/manifest.json"
          interval = "60s"
          timeout  = "10s"
        }
      }
    }
  }
}

job "node-exporter" {
  region      = "global"
  datacenters = ["*"]
  type        = "system"
  priority    = 90

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  group "exporter" {
    network {
      port "metrics" {
        static       = 9100
        to           = 9100
        host_network = "private"
      }
    }

    service {
      name         = "node-exporter"
      port         = "metrics"
      address_mode = "host"

      check {
        type     = "http"
        path     = "/"
        interval = "30s"
        timeout  = "5s"
      }
    }

    task "exporter" {
      driver = "docker"

      config {
        image        = "quay.io/prometheus/node-exporter:v1.8.2"
        network_mode = "host"
        pid_mode     = "host"
        cap_add      = ["sys_time"]
        args = [
          "--path.rootfs=/host",
          "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|var/lib/docker/.+)($|/)",
        ]
        volumes = ["/:/host:ro,rslave"]
      }

      logs {
        max_files     = 1
        max_file_size = 5
        disabled      = false
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}

job "postgres" {
  group "db" {
    volume "data" {
      type            = "host"
      source          = "pgdata"
      read_only       = false
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
    }

    disconnect {
      stop_on_client_after = "1m"
      replace              = false
      reconcile            = "keep_original"
    }

    task "postgres" {
      driver = "docker"
      config {
        image = "postgres:17"
      }
      volume_mount {
        volume      = "data"
        destination = "/var/lib/postgresql/data"
      }
      resources {
        device "nvidia/gpu" {
          count = 2
          constraint {
            attribute = "${device.attr.memory}"
            operator  = ">="
            value     = "2 GiB"
          }
          affinity {
            attribute = "${device.model}"
            value     = "Tesla"
          }
        }
      }
    }
  }
}

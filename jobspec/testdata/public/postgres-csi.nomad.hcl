job "postgres" {
  datacenters = ["dc1"]
  type        = "service"

  group "postgres" {
    count = 1

    volume "pgdata" {
      type            = "csi"
      source          = "pgdata"
      read_only       = false
      attachment_mode = "block-device"
      access_mode     = "single-node-writer"
      per_alloc       = true
    }

    restart {
      attempts = 10
      interval = "5m"
      delay    = "25s"
      mode     = "delay"
    }

    network {
      port "db" { static = 5432 }
    }

    task "postgres" {
      driver = "docker"

      volume_mount {
        volume           = "pgdata"
        destination      = "/var/lib/postgresql/data"
        read_only        = false
        propagation_mode = "private"
        selinux_label    = "Z"
      }

      config {
        image = "postgres:16-alpine"
        ports = ["db"]
        args  = ["-c", "max_connections=200"]

        mount {
          type   = "tmpfs"
          target = "/dev/shm"
          readonly = false
          tmpfs_options {
            size = 1073741824
          }
        }
      }

      env {
        POSTGRES_DB = "app"
        PGDATA      = "/var/lib/postgresql/data/pgdata"
      }

      vault {
        policies      = ["postgres"]
        change_mode   = "signal"
        change_signal = "SIGHUP"
        env           = false
      }

      template {
        data        = <<EOT
POSTGRES_USER="{{with secret "database/creds/app"}}{{.Data.username}}{{end}}"
POSTGRES_PASSWORD="{{with secret "database/creds/app"}}{{.Data.password}}{{end}}"
EOT
        destination = "secrets/file.env"
        env         = true
        vault_grace = "15s"
      }

      kill_timeout = "30s"
      kill_signal  = "SIGINT"

      resources {
        cpu    = 1000
        memory = 1024
      }

      service {
        name = "postgres"
        port = "db"

        check {
          name     = "ready"
          type     = "script"
          command  = "/usr/local/bin/pg_isready"
          args     = ["-U", "postgres"]
          interval = "10s"
          timeout  = "2s"
        }
      }
    }
  }
}

job "backup" {
  datacenters = ["dc1"]
  type        = "batch"
  priority    = 20

  periodic {
    cron             = "15 3 * * *"
    prohibit_overlap = true
    time_zone        = "Europe/Berlin"
  }

  group "backup" {
    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    volume "data" {
      type      = "host"
      source    = "data"
      read_only = true
    }

    task "restic" {
      driver = "docker"

      volume_mount {
        volume      = "data"
        destination = "/data"
        read_only   = true
      }

      config {
        image      = "restic/restic:0.17.0"
        entrypoint = ["/bin/sh", "-c"]
        command    = <<EOF
set -e
restic backup /data --host $HOSTNAME --tag $(date +%F)
restic forget --keep-daily 7 --keep-weekly 5
EOF
      }

      template {
        destination = "secrets/env"
        env         = true
        data        = <<EOF
RESTIC_REPOSITORY={{ key "backup/repository" }}
RESTIC_PASSWORD={{ with secret "kv/data/backup" }}{{ .Data.data.password | toJSON }}{{ end }}
EOF
      }

      resources {
        cpu    = 100
        memory = 512
      }
    }
  }
}

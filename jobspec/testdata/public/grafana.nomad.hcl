variable "version" {
  type        = string
  default     = "11.2.0"
  description = "The image tag"
}

job "grafana" {
  datacenters = ["dc1"]

  group "grafana" {
    count = 1

    network {
      mode = "bridge"
      port "http" {
        to = 3000
      }
    }

    volume "grafana" {
      type            = "csi"
      source          = "grafana"
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
      read_only       = false

      mount_options {
        fs_type     = "ext4"
        mount_flags = ["noatime"]
      }
    }

    service {
      name = "grafana"
      port = "http"
      tags = [
        "traefik.enable=true",
        "traefik.http.routers.grafana.rule=Host(`grafana.example.org`)",
      ]

      check {
        type     = "http"
        path     = "/api/health"
        interval = "30s"
        timeout  = "5s"

        check_restart {
          limit           = 3
          grace           = "90s"
          ignore_warnings = false
        }
      }
    }

    task "grafana" {
      driver = "docker"
      user   = "root"

      config {
        image = "grafana/grafana-oss:${var.version}"
        ports = ["http"]
      }

      volume_mount {
        volume      = "grafana"
        destination = "/var/lib/grafana"
      }

      env {
        GF_LOG_LEVEL          = "INFO"
        GF_LOG_MODE           = "console"
        GF_SERVER_HTTP_PORT   = "${NOMAD_PORT_http}"
        GF_PATHS_PROVISIONING = "/local/grafana/provisioning"
        GF_AUTH_ANONYMOUS     = true
        GF_QUOTA              = 1.5
      }

      template {
        destination = "secrets/grafana.env"
        env         = true
        change_mode = "restart"
        data        = <<-EOH
          {{ with nomadVar "nomad/jobs/grafana" }}
          GF_SECURITY_ADMIN_PASSWORD={{ .admin_password }}
          {{ end }}
        EOH
      }

      template {
        data            = file("greet.tpl")
        destination     = "local/x"
        left_delimiter  = "[["
        right_delimiter = "]]"
        perms           = "0600"
        uid             = 472
        gid             = 0
      }

      resources {
        cpu        = 500
        memory     = 256
        memory_max = 512
      }
    }
  }
}

variable "domain" { default = "git.example.org" }
variable "ssh_port" {
  type    = number
  default = 2222
  validation {
    condition     = var.ssh_port > 1024 && var.ssh_port < 65536
    error_message = "The SSH port must be unprivileged."
  }
}

job "gitea" {
  datacenters = ["dc1"]
  group "svc" {
    network {
      mode = "bridge"
      port "ssh" {
        static = var.ssh_port
        to     = 22
      }
    }
    volume "gitea-data" {
      type      = "host"
      source    = "gitea-data"
      read_only = false
    }
    service {
      name = "gitea-gui"
      port = 3000
      connect {
        sidecar_service {
          proxy {
            upstreams {
              destination_name = "postgres"
              local_bind_port  = 5432
            }
          }
        }
      }
      tags = [for t in ["enable=true", "http.routers.gitea.rule=Host(`${var.domain}`)"] : "traefik.${t}"]
    }
    service {
      name = "gitea-ssh"
      port = "ssh"
    }
    task "app" {
      driver = "docker"
      volume_mount {
        volume      = "gitea-data"
        destination = "/data"
        read_only   = false
      }
      config {
        image   = "gitea/gitea:1.22"
        ports   = ["ssh"]
        volumes = ["/etc/timezone:/etc/timezone:ro", "/etc/localtime:/etc/localtime:ro"]
      }
      env {
        APP_NAME   = "Gitea: ${title("git with a cup of tea")}"
        RUN_MODE   = "prod"
        ROOT_URL   = "https://${var.domain}/"
        DB_HOST    = "${NOMAD_UPSTREAM_ADDR_postgres}"
        DB_NAME    = "gitea"
        USER_UID   = 1000
        DISABLED   = false
      }
    }
  }
}

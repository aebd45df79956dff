variable "config" {
  type    = string
  default = <<-EOT
    data_dir: /alloc/data
    sources:
      logs:
        type: docker_logs
    sinks:
      out:
        type: console
        inputs: [logs]
        encoding: { codec: "json" }
  EOT
}

job "vector" {
  datacenters = ["dc1"]
  type        = "system"
  group "vector" {
    ephemeral_disk {
      size   = 500
      sticky = true
    }
    network {
      port "api" { to = 8686 }
    }
    volume "docker-sock" {
      type      = "host"
      source    = "docker-sock"
      read_only = true
    }
    task "vector" {
      driver       = "docker"
      kill_timeout = "30s"
      config {
        image = "timberio/vector:0.40.X-alpine"
        ports = ["api"]
      }
      volume_mount {
        volume      = "docker-sock"
        destination = "/var/run/docker.sock"
        read_only   = true
      }
      env {
        VECTOR_CONFIG          = "local/vector.yaml"
        VECTOR_REQUIRE_HEALTHY = "true"
      }
      template {
        destination     = "local/vector.yaml"
        change_mode     = "signal"
        change_signal   = "SIGHUP"
        left_delimiter  = "(("
        right_delimiter = "))"
        data            = var.config
      }
      service {
        check {
          port     = "api"
          type     = "http"
          path     = "/health"
          interval = "30s"
          timeout  = "5s"
        }
      }
    }
  }
}

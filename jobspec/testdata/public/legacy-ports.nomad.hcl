# Written for old versions: ports in the resources of the task, port_map in the driver.
job "example" {
  datacenters = ["dc1"]
  type = "service"
  update {
    max_parallel = 1
    min_healthy_time = "10s"
    healthy_deadline = "3m"
    auto_revert = false
    canary = 0
  }
  group "cache" {
    count = 1
    restart {
      attempts = 10
      interval = "5m"
      delay = "25s"
      mode = "delay"
    }
    ephemeral_disk {
      size = 300
    }
    task "redis" {
      driver = "docker"
      config {
        image = "redis:3.2"
        port_map {
          db = 6379
        }
        labels {
          team = "core"
          tier = 2
        }
        logging {
          type = "gelf"
          config {
            gelf-address = "udp://1.2.3.4:12201"
            tag          = "redis"
          }
        }
        ulimit {
          nproc  = "4242"
          nofile = "2048:4096"
        }
        sysctl = {
          "net.core.somaxconn" = "16384"
        }
      }
      resources {
        cpu    = 500
        memory = 256
        network {
          mbits = 10
          port "db" {}
          port "admin" {
            static = "8080"
          }
        }
      }
      service {
        name = "global-redis-check"
        tags = ["global", "cache"]
        port = "db"
        check {
          name     = "alive"
          type     = "tcp"
          interval = "10s"
          timeout  = "2s"
        }
      }
    }
  }
}

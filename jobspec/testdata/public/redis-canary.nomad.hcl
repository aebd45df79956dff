job "cache" {
  datacenters = ["dc1"]

  update {
    max_parallel      = 2
    min_healthy_time  = "10s"
    healthy_deadline  = "3m"
    progress_deadline = "10m"
    auto_revert       = true
    auto_promote      = true
    canary            = 1
    stagger           = "30s"
    health_check      = "task_states"
  }

  group "redis" {
    count = 3

    network {
      port "redis" { to = 6379 }
    }

    spread {
      attribute = "${node.datacenter}"
      weight    = 100
    }

    service {
      name        = "redis-cache"
      tags        = ["global", "cache"]
      canary_tags = ["canary"]
      port        = "redis"
      provider    = "nomad"
      on_update   = "require_healthy"

      meta {
        owner = "core"
      }
      canary_meta {
        owner = "canary"
      }
    }

    task "redis" {
      driver       = "docker"
      kill_timeout = "20s"

      config {
        image          = "redis:7"
        ports          = ["redis"]
        auth_soft_fail = true
      }

      identity {
        env  = true
        file = true
      }

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}

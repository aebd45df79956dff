# A web service as most people write one.
job "shop" {
  region      = "global"
  namespace   = "default"
  datacenters = ["dc1", "dc2"]
  type        = "service"
  priority    = 70
  node_pool   = "default"

  meta {
    owner = "team-shop"
    tier  = 1
  }

  update {
    max_parallel      = 2
    health_check      = "checks"
    min_healthy_time  = "15s"
    healthy_deadline  = "3m"
    progress_deadline = "9m"
    auto_revert       = true
    auto_promote      = true
    canary            = 1
    stagger           = "20s"
  }

  migrate {
    max_parallel     = 1
    health_check     = "task_states"
    min_healthy_time = "5s"
    healthy_deadline = "1m"
  }

  group "frontend" {
    count          = 4
    shutdown_delay = "2s"

    network {
      mode = "host"
      port "http" {
        to = 8080
      }
      port "admin" {
        static           = 9901
        ignore_collision = true
      }
    }

    restart {
      attempts         = 3
      interval         = "5m"
      delay            = "10s"
      mode             = "delay"
      render_templates = true
    }

    reschedule {
      attempts       = 5
      interval       = "1h"
      delay          = "10s"
      delay_function = "fibonacci"
      max_delay      = "5m"
      unlimited      = false
    }

    ephemeral_disk {
      size    = 500
      sticky  = true
      migrate = true
    }

    service {
      name         = "shop-frontend"
      port         = "http"
      provider     = "nomad"
      tags         = ["public", "v${NOMAD_ALLOC_INDEX}"]
      canary_tags  = ["canary"]
      address_mode = "auto"

      meta {
        alloc = "${NOMAD_SHORT_ALLOC_ID}"
      }

      canary_meta {
        stage = "canary"
      }

      tagged_addresses {
        lan = "10.0.0.1"
      }

      weights {
        passing = 3
        warning = 1
      }

      check {
        name     = "ready"
        type     = "http"
        path     = "/ready"
        interval = "10s"
        timeout  = "2s"
        method   = "POST"
        body     = "{}"

        header {
          Accept        = ["application/json"]
          X-Probe-Value = ["a", "b"]
        }

        check_restart {
          limit           = 3
          grace           = "30s"
          ignore_warnings = true
        }
      }

      check {
        type           = "tcp"
        port           = "admin"
        interval       = "20s"
        timeout        = "1500ms"
        initial_status = "passing"
        on_update      = "ignore_warnings"

        success_before_passing   = 2
        failures_before_critical = 3
        failures_before_warning  = 1
      }
    }

    task "server" {
      driver       = "docker"
      user         = "nobody"
      leader       = true
      kill_timeout = "20s"
      kill_signal  = "SIGTERM"

      config {
        image = "shop/frontend:1.4"
        ports = ["http", "admin"]
        auth_soft_fail = true

        labels = {
          "com.example.team" = "shop"
        }

        mount {
          type     = "bind"
          source   = "local"
          target   = "/etc/shop"
          readonly = true
        }

        mount {
          type   = "tmpfs"
          target = "/run"
          tmpfs_options {
            size = 100000
          }
        }

        ulimit {
          nofile = "2048:4096"
        }
      }

      env {
        LISTEN = "0.0.0.0:${NOMAD_PORT_http}"
        DEBUG  = false
        POOL   = 8
      }

      logs {
        max_files     = 3
        max_file_size = 15
      }

      resources {
        cpu        = 500
        memory     = 256
        memory_max = 512
      }
    }
  }
}

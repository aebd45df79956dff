job "webapp" {
  datacenters = ["dc1"]

  group "demo" {
    count = 3

    scaling {
      enabled = true
      min     = 1
      max     = 20

      policy {
        cooldown            = "20s"
        evaluation_interval = "10s"

        check "avg_instance_sessions" {
          source       = "prometheus"
          query        = "sum(haproxy_server_current_sessions{proxy=\"http_back\"}) / count(nomad_client_allocs_running)"
          query_window = "2m"

          strategy "target-value" {
            target = 5
          }
        }

        check "cpu" {
          source = "nomad-apm"
          query  = "avg_cpu"

          strategy "threshold" {
            upper_bound = 90.5
            delta       = 1
            within_bounds_trigger = 3
          }
        }
      }
    }

    network {
      port "webapp_http" {}
    }

    task "webapp" {
      driver = "docker"

      config {
        image = "example/demo-webapp-lb-guide"
        ports = ["webapp_http"]
      }

      scaling "cpu" {
        enabled = true
        min     = 50
        max     = 500

        policy {
          check "95pct" {
            strategy "app-sizing-percentile" {
              percentile = "95"
            }
          }
        }
      }

      scaling "mem" {
        min = 64
        max = 256
        policy {}
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}

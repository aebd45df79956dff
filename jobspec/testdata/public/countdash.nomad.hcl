job "countdash" {
  datacenters = ["dc1"]

  group "api" {
    network {
      mode = "bridge"
    }

    service {
      name = "count-api"
      port = "9001"

      check {
        type     = "http"
        path     = "/health"
        expose   = true
        interval = "3s"
        timeout  = "1s"
      }

      connect {
        sidecar_service {}
      }
    }

    task "web" {
      driver = "docker"

      config {
        image          = "hashicorpdev/counter-api:v3"
        auth_soft_fail = true
      }
    }
  }

  group "dashboard" {
    network {
      mode = "bridge"

      port "http" {
        static = 9002
        to     = 9002
      }
    }

    service {
      name = "count-dashboard"
      port = "http"

      connect {
        sidecar_service {
          tags                      = ["mesh"]
          disable_default_tcp_check = true

          proxy {
            local_service_address = "127.0.0.1"
            local_service_port    = 9002

            upstreams {
              destination_name = "count-api"
              local_bind_port  = 8080
            }

            config {
              protocol = "http"
              limits {
                max_connections = 512
              }
            }
          }

          meta {
            kind = "dashboard"
          }
        }

        sidecar_task {
          resources {
            cpu    = 250
            memory = 128
          }

          logs {
            max_files     = 2
            max_file_size = 2
          }

          env {
            TEST = 1
          }

          kill_timeout   = "10s"
          shutdown_delay = "5s"
          kill_signal    = "SIGINT"
        }
      }
    }

    task "dashboard" {
      driver = "docker"

      env {
        COUNTING_SERVICE_URL = "http://${NOMAD_UPSTREAM_ADDR_count_api}"
      }

      config {
        image = "hashicorpdev/counter-dashboard:v3"
      }
    }
  }
}

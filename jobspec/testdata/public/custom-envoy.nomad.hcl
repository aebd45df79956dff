job "custom-sidecar" {
  group "g" {
    network {
      mode = "bridge"
      port "envoy_metrics" { to = 9102 }
    }
    service {
      name = "api"
      port = "8080"
      meta {
        envoy_metrics_port = "${NOMAD_HOST_PORT_envoy_metrics}"
      }
      connect {
        sidecar_service {
          port = "connect-proxy-api"
          proxy {
            expose {
              path {
                path            = "/health"
                protocol        = "http"
                local_path_port = 8080
                listener_port   = "envoy_metrics"
              }
              path {
                path          = "/metrics"
                protocol      = "http2"
                listener_port = "envoy_metrics"
              }
            }
            config {
              envoy_prometheus_bind_addr = "0.0.0.0:9102"
              local_connect_timeout_ms   = 1000
            }
            upstreams {
              destination_name = "a"
              local_bind_port  = 5000
            }
            upstreams {
              destination_name = "b"
              local_bind_port  = "5001"
            }
          }
        }
        sidecar_task {
          name   = "envoy"
          driver = "docker"
          user   = "101"
          config {
            image = "$${meta.connect.sidecar_image}"
            args  = ["-c", "$${NOMAD_SECRETS_DIR}/envoy_bootstrap.json", "-l", "$${meta.connect.log_level}"]
          }
          meta {
            team = "mesh"
          }
          volume_mount {
            volume      = "certs"
            destination = "/certs"
          }
          identity {
            name = "mesh"
            aud  = ["mesh"]
          }
        }
      }
    }
    volume "certs" {
      type   = "host"
      source = "certs"
    }
    task "api" {
      driver = "docker"
      config {
        image = "api:1"
      }
    }
  }
}

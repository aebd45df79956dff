job "ig-http" {
  datacenters = ["dc1"]

  group "ingress-group" {
    network {
      mode = "bridge"
      port "inbound" {
        static = 8080
        to     = 8080
      }
    }

    service {
      name = "my-ingress-service"
      port = "8080"

      connect {
        gateway {
          proxy {
            connect_timeout                     = "500ms"
            envoy_gateway_no_default_bind       = true
            envoy_gateway_bind_tagged_addresses = false
            envoy_dns_discovery_type            = "LOGICAL_DNS"

            envoy_gateway_bind_addresses "default" {
              address = "0.0.0.0"
              port    = 8080
            }
            envoy_gateway_bind_addresses "lan" {
              address = "10.0.0.1"
              port    = 8081
            }

            config {
              envoy_tracing_json = "{}"
            }
          }

          ingress {
            tls {
              enabled         = true
              tls_min_version = "TLSv1_2"
              tls_max_version = "TLSv1_3"
              cipher_suites   = ["TLS_AES_128_GCM_SHA256"]

              sds {
                cluster_name  = "sds-cluster"
                cert_resource = "web"
              }
            }

            listener {
              port     = 8080
              protocol = "http"

              service {
                name                    = "uuid-api"
                hosts                   = ["localhost:8080", "*.example.org"]
                max_connections         = 100
                max_pending_requests    = 10
                max_concurrent_requests = 5

                tls {
                  enabled = true
                }

                request_headers {
                  add {
                    x-added = "1"
                  }
                  set {
                    x-set = "2"
                  }
                  remove = ["x-gone"]
                }

                response_headers {
                  remove = ["server"]
                }
              }
            }

            listener {
              port     = 9090
              protocol = "tcp"

              service {
                name = "db"
              }
            }
          }
        }
      }
    }
  }

  group "generator" {
    network {
      mode = "host"
      port "api" {}
    }

    service {
      name = "uuid-api"
      port = "${NOMAD_PORT_api}"

      connect {
        native = true
      }
    }

    task "generate" {
      driver = "docker"

      config {
        image        = "hashicorpdev/uuid-api:v5"
        network_mode = "host"
      }

      env {
        BIND = "0.0.0.0"
        PORT = "${NOMAD_PORT_api}"
      }
    }
  }
}

job "countdash-mesh-one" {
  datacenters = ["one"]

  group "mesh-gateway-one" {
    network {
      mode = "bridge"

      port "mesh_wan" {
        host_network = "public"
      }
    }

    service {
      name = "mesh-gateway"
      port = "mesh_wan"

      connect {
        gateway {
          mesh {}

          proxy {}
        }
      }
    }
  }

  group "dashboard" {
    network {
      mode = "bridge"
    }

    service {
      name = "count-dashboard"
      port = "9002"

      connect {
        sidecar_service {
          proxy {
            upstreams {
              destination_name        = "count-api"
              destination_namespace   = "default"
              destination_partition   = "main"
              destination_peer        = "cloud"
              destination_type        = "service"
              local_bind_port         = 8080
              local_bind_address      = "127.0.0.1"
              local_bind_socket_path  = "/tmp/api.sock"
              local_bind_socket_mode  = "0644"
              datacenter              = "two"

              mesh_gateway {
                mode = "local"
              }

              config {
                connect_timeout_ms = 9999
              }
            }
          }
        }
      }
    }

    task "dashboard" {
      driver = "docker"
      config {
        image = "hashicorpdev/counter-dashboard:v3"
      }
    }
  }
}

# Two services in a mesh: the frontend reaches the backend through proxies that
# encrypt and know who is who. This version reads the file and prints what it says
# (selfheal job run -output); it does not run connect yet, and says so.
job "shop" {
  group "backend" {
    # The tasks of the group have a network of their own; only the proxy is reached.
    network {
      mode = "bridge"
    }

    service {
      name = "stock"

      # Where the task listens inside of the group's network: a number, not a label.
      port = "8000"

      connect {
        # A proxy beside the task, with all its defaults.
        sidecar_service {}
      }
    }

    task "stock" {
      driver = "docker"

      config {
        image = "registry.example.org/stock:1"
      }
    }
  }

  group "frontend" {
    network {
      mode = "bridge"

      port "http" {
        to = 8080
      }
    }

    service {
      name = "shop"
      port = "http"

      connect {
        sidecar_service {
          proxy {
            # The frontend calls localhost:9000 and reaches the backend.
            upstreams {
              destination_name = "stock"
              local_bind_port  = 9000
            }
          }
        }
      }
    }

    task "shop" {
      driver = "docker"

      env {
        # Filled in on the node: the address of the upstream above.
        STOCK = "http://${NOMAD_UPSTREAM_ADDR_stock}"
      }

      config {
        image = "registry.example.org/shop:1"
        ports = ["http"]
      }
    }
  }
}

job "shop" {
  group "backend" {
    network {
      mode = "bridge"
    }

    service {
      name = "stock"
      port = "8000"

      connect {
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
        STOCK = "http://${NOMAD_UPSTREAM_ADDR_stock}"
      }

      config {
        image = "registry.example.org/shop:1"
        ports = ["http"]
      }
    }
  }
}

# Locals in any order, each other's and variables' values in them.
locals {
  image = "${local.registry}/${var.name}:${local.tag}"
  tag   = format("v%02d", local.build)
}

locals {
  registry = "registry.example.com"
  build    = 7
  ports = {
    http  = 80
    admin = 8080
  }
}

variable "name" {
  default = "app"
}

job "locals" {
  group "g" {
    network {
      port "http" {
        to = local.ports.http
      }
      port "admin" {
        to = local.ports["admin"]
      }
    }
    task "t" {
      driver = "docker"
      config {
        image = local.image
        args  = [for name, port in local.ports : "${name}=${port}@${attr.unique.network.ip-address}"]
      }
    }
  }
}

locals {
  env = {
    LOG_LEVEL = "info"
    REGION    = "eu"
  }
  versions = jsondecode("{\"api\": \"1.4.2\", \"worker\": \"1.4.0\"}")
  images   = { for name, version in local.versions : name => "registry.example.org/${name}:${version}" }
  tags     = [for name in keys(local.images) : "app.${name}" if name != "worker"]
}

job "apps" {
  datacenters = ["dc1"]

  dynamic "group" {
    for_each = local.images
    iterator = app
    labels   = [app.key]

    content {
      count = app.key == "api" ? 2 : 1

      dynamic "network" {
        for_each = app.key == "api" ? ["http"] : []
        content {
          dynamic "port" {
            for_each = [network.value]
            labels   = [port.value]
            content {
              to = 8080
            }
          }
        }
      }

      dynamic "service" {
        for_each = app.key == "api" ? [1] : []
        content {
          name     = app.key
          port     = "http"
          tags     = local.tags
          provider = "nomad"
        }
      }

      task "app" {
        driver = "docker"
        config {
          image = app.value
        }
        env = merge(local.env, { APP = upper(app.key), NODE = "${node.unique.name}" })
      }
    }
  }
}

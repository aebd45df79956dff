# Blocks made from lists and maps, one level and two.
locals {
  workers = {
    mail  = { cpu = 100, queues = ["in", "out"] }
    index = { cpu = 300, queues = ["docs"] }
  }
  ports = ["http", "grpc"]
}

job "dynamic" {
  dynamic "group" {
    for_each = local.workers
    iterator = worker
    labels   = ["${worker.key}-group"]

    content {
      count = length(worker.value.queues)

      network {
        dynamic "port" {
          for_each = local.ports
          labels   = [port.value]
          content {
            to = 8000 + port.key
          }
        }
      }

      dynamic "constraint" {
        for_each = toset(["linux"])
        content {
          attribute = "${attr.kernel.name}"
          value     = constraint.value
        }
      }

      task "work" {
        driver = "docker"
        config {
          image = "worker"

          dynamic "mount" {
            for_each = worker.value.queues
            content {
              type   = "bind"
              source = "/queues/${mount.value}"
            }
          }
        }
        resources {
          cpu = worker.value.cpu
        }
      }
    }
  }
}

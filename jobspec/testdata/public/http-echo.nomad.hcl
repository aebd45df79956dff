// One instance of http-echo for each text.
variables {
  texts = ["hello", "bonjour"]
  port  = 5678
}

job "http-echo" {
  datacenters = ["dc1"]

  dynamic "group" {
    for_each = var.texts
    labels   = ["echo-${group.key}"]

    content {
      count = 1

      network {
        port "http" {
          static = var.port + group.key
        }
      }

      task "server" {
        driver = "docker"

        config {
          image = "hashicorp/http-echo:1.0"
          args  = ["-listen", ":${var.port + group.key}", "-text", "${title(group.value)} from ${NOMAD_ALLOC_ID}"]
        }

        resources {
          memory = 20
        }
      }
    }
  }
}

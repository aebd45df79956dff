variable "functions" {
  type = list(object({
    name  = string
    image = optional(string, "ghcr.io/example/base")
    env   = optional(map(string), {})
    port  = optional(number)
  }))
  default = [
    { name = "resize", env = { SIZE = "10" } },
    { name = "thumb", image = "ghcr.io/example/thumb", port = 9000 },
  ]
}

job "functions" {
  dynamic "group" {
    for_each = { for f in var.functions : f.name => f }
    labels   = [group.key]
    content {
      network {
        port "http" {
          static = group.value.port
        }
      }
      task "fn" {
        driver = "docker"
        config {
          image = group.value.image
        }
        env = { for k, v in group.value.env : "FN_${k}" => v }
      }
    }
  }
}

# test -var count=3
# test -var ports=[8080, 9090]
# test env LEVEL=debug
variable "count" { type = number }
variable "ports" { type = list(number) }
variable "LEVEL" {
  type        = string
  description = "log level"
}
variable "tags" {
  type    = set(string)
  default = ["b", "a", "b"]
}
variable "limits" {
  type    = map(number)
  default = { cpu = 100, memory = "128" }
}
variable "pair" {
  type    = tuple([string, number])
  default = ["a", 1]
}
variable "any" {
  type    = any
  default = { x = [1, 2] }
}
variable "empty" {
  type    = string
  default = null
}
variable "flag" {
  default = true
}
job "typed" {
  group "g" {
    count = var.count
    network {
      dynamic "port" {
        for_each = var.ports
        labels   = ["p${port.key}"]
        content {
          static = port.value
        }
      }
    }
    task "t" {
      driver = "docker"
      user   = var.empty
      config {
        image    = "app"
        args     = concat(tolist(var.tags), [var.pair[0], "${var.pair[1]}"])
        x        = var.any.x
        splat    = var.any.x[*]
        flag     = var.flag
        nothing  = var.empty
        lookup   = lookup(var.limits, "disk", 5)
        level    = var.LEVEL == "debug" ? "all" : "some"
        try      = try(var.any.y, "fallback")
        can      = can(var.any.x[7])
      }
      resources {
        cpu    = var.limits.cpu
        memory = var.limits["memory"]
      }
    }
  }
}

# test -var image=registry/app:2.0
# test -var count=5
# test -var zones=["a","b"]
# test env debug=true
# test env unheard_of=1
# test -var-file values.hcl
# test -var-file more.json
variable "image" {
  type        = string
  description = "What to run."
}

variable "count" {
  type    = number
  default = 1

  validation {
    condition     = var.count > 0 && var.count <= 10
    error_message = "Count must be between 1 and 10."
  }
}

variable "debug" {
  type    = bool
  default = false
}

variable "zones" {
  type    = list(string)
  default = []
}

variable "limits" {
  type = object({
    cpu    = number
    memory = optional(number, 128)
  })
  default = {
    cpu = 100
  }
}

variable "password" {
  type      = string
  sensitive = true
}

variables {
  team  = "core"
  steps = ["one", "two"]
}

job "variables" {
  datacenters = [for z in var.zones : "dc-${z}"]

  meta {
    team  = var.team
    steps = join("+", var.steps)
    debug = var.debug
  }

  group "g" {
    count = var.count

    task "t" {
      driver = "docker"
      config {
        image = var.image
      }
      env {
        PASSWORD = var.password
      }
      resources {
        cpu    = var.limits.cpu
        memory = var.limits["memory"]
      }
    }
  }
}

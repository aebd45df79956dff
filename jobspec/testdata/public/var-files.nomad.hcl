# test -var-file values.hcl
# test -var-file more.json
variable "password" {
  type      = string
  sensitive = true
}
variable "team" {}
variable "limits" {
  type = object({ cpu = number, memory = optional(number, 64) })
}
variable "steps" {
  type = list(string)
}
variable "count" {
  default = 1
}
job "files" {
  group "g" {
    count = var.count
    dynamic "task" {
      for_each = var.steps
      labels   = [task.value]
      content {
        driver = "docker"
        config {
          image = "${var.team}/${task.value}"
        }
        env {
          PASSWORD = var.password
        }
        resources {
          cpu    = var.limits.cpu
          memory = var.limits.memory
        }
      }
    }
  }
}

variable "count" {
  type    = number
  default = 1
}

variable "names" {
  type = list(string)
}

variable "color" {
  type    = string
  default = "red"

  validation {
    condition     = contains(["red", "green"], var.color)
    error_message = "The color must be red or green."
  }
}

variable "from_file" {
  type = map(string)
}

locals {
  greeting = "hello ${join(" and ", var.names)}"
}

job "variables" {
  type = "batch"

  group "g" {
    count = var.count

    dynamic "task" {
      for_each = var.names
      labels   = ["say-${task.value}"]

      content {
        driver = "raw_exec"

        config {
          command = "/bin/echo"
          args    = [upper(task.value), local.greeting, var.color, var.from_file["k"]]
        }
      }
    }
  }
}

# A web service: two instances on ports of the node's choice, rolled out one by one.
variable "program" {
  type        = string
  description = "a program that serves HTTP when it is called with demo-web"
}

job "web" {
  datacenters = ["dc1"]
  type        = "service"

  update {
    max_parallel     = 1
    min_healthy_time = "500ms"
    healthy_deadline = "30s"
  }

  group "web" {
    count = 2

    network {
      port "http" {}
    }

    task "server" {
      driver = "raw_exec"

      config {
        command = var.program
        args    = ["demo-web"]
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}

variable "count" {
  type    = number
  default = 2
}

job "web" {
  group "web" {
    count = var.count

    task "server" {
      driver = "raw_exec"

      config {
        command = "selfheal"
        args    = ["demo-web"]
      }
    }
  }
}

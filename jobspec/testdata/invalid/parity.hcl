# What the public documentation of the job file rules out.
job "parity" {
  type = "system"
  group "g" {
    scaling {
      max = 3
    }
    network {
      port "http" {}
    }
    service {
      name = "with_underscore.and.dots"
      port = "http"
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "1s"
      }
    }
    task "t" {
      driver = "mock_driver"
      template {
        data        = "x"
        destination = "local/x"
        perms       = "rw-r--r--"
      }
    }
  }
}

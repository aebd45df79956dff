job "app" {
  datacenters = ["dc1"]

  vault {
    policies    = ["base"]
    change_mode = "noop"
  }

  group "one" {
    task "inherits" {
      driver = "raw_exec"
      config {
        command = "env"
      }
    }
  }

  group "two" {
    vault {
      role    = "two"
      cluster = "default"
    }

    task "group" {
      driver = "raw_exec"
      config {
        command = "env"
      }
    }

    task "own" {
      driver = "raw_exec"
      vault {
        role                   = "own"
        namespace              = "eng"
        disable_file           = true
        allow_token_expiration = true
        change_mode            = "restart"
      }
      lifecycle {
        hook    = "prestart"
        sidecar = false
      }
      config {
        command = "env"
      }
    }
  }
}

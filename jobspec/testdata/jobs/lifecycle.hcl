job "lifecycle" {
  group "g" {
    task "init" {
      driver = "raw_exec"
      lifecycle {
        hook = "prestart"
      }
      config {
        command = "init"
      }
    }
    task "sidecar" {
      driver = "raw_exec"
      lifecycle {
        hook    = "poststart"
        sidecar = true
      }
      config {
        command = "ship-logs"
      }
    }
    task "main" {
      driver         = "raw_exec"
      shutdown_delay = "1s"
      config {
        command = "main"
      }
    }
    task "cleanup" {
      driver = "raw_exec"
      lifecycle {
        hook = "poststop"
      }
      config {
        command = "cleanup"
      }
    }
  }
}

# Fails twice on its node and is given up.
job "failing" {
  type = "batch"

  group "g" {
    restart {
      attempts = 1
      interval = "10m"
      delay    = "100ms"
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "work" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo sorry >&2; exit 3"]
      }
    }
  }
}

# Restarted without end: after two attempts it waits for the next interval.
job "patient" {
  group "g" {
    restart {
      attempts = 2
      interval = "5s"
      delay    = "100ms"
      mode     = "delay"
    }

    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/false"
      }
    }
  }
}

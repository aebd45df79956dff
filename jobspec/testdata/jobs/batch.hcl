job "nightly-report" {
  type        = "batch"
  datacenters = ["dc1"]

  group "report" {
    max_run_duration = "2h"

    restart {
      attempts = 1
      mode     = "fail"
    }

    reschedule {
      attempts       = 2
      interval       = "6h"
      delay          = "1m"
      delay_function = "constant"
      unlimited      = false
    }

    task "run" {
      driver = "exec"

      config {
        command = "/usr/bin/python3"
        args    = ["-m", "report", "--day=yesterday"]
      }

      resources {
        cores  = 2
        memory = 1024
      }
    }
  }
}

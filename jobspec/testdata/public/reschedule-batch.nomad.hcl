job "crunch" {
  type        = "batch"
  datacenters = ["dc1"]
  reschedule {
    attempts       = 3
    interval       = "1h"
    delay          = "10s"
    delay_function = "fibonacci"
    max_delay      = "5m"
    unlimited      = false
  }
  group "crunch" {
    count = 5
    restart {
      attempts = 1
      interval = "1h"
      delay    = "5s"
      mode     = "fail"
    }
    task "crunch" {
      driver = "exec2"
      config {
        command = "/usr/bin/crunch"
        unveil  = ["r:/etc/mime.types", "rwc:/srv"]
      }
      resources {
        cores = 1
      }
    }
  }
}

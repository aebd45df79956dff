job "durations" {
  update {
    min_healthy_time  = "1m30s"
    healthy_deadline  = 300000000000
    progress_deadline = "0s"
    stagger           = "30000ms"
  }
  group "g" {
    shutdown_delay = "500us"
    restart {
      attempts = "2"
      delay    = "15s"
      interval = 1800000000000
      mode     = "fail"
    }
    task "t" {
      driver         = "raw_exec"
      kill_timeout   = "1h"
      shutdown_delay = 0
      leader         = "true"
      config {
        command = "x"
      }
      resources {
        cpu    = "100"
        memory = 64.0
      }
    }
  }
}

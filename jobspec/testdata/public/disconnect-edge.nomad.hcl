job "edge" {
  group "kiosk" {
    disconnect {
      lost_after = "6h"
      replace    = false
      reconcile  = "keep_original"
    }
    reschedule {
      delay          = "30s"
      delay_function = "exponential"
      max_delay      = "120s"
      unlimited      = true
    }
    shutdown_delay = "10s"
    task "kiosk" {
      driver = "exec"
      config {
        command = "/usr/bin/kiosk"
      }
      restart {
        attempts         = 3
        interval         = "10m"
        delay            = "5s"
        mode             = "delay"
        render_templates = true
      }
    }
  }
}

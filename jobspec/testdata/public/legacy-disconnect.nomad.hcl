job "edge-old" {
  group "kiosk" {
    stop_after_client_disconnect = "1m"
    prevent_reschedule_on_lost   = true
    task "kiosk" {
      driver = "exec"
      config {
        command = "/usr/bin/kiosk"
      }
      logs {
        enabled       = false
        max_files     = 3
        max_file_size = 10
      }
    }
  }
  group "mobile" {
    max_client_disconnect = "12h"
    max_run_duration      = "24h"
    task "mobile" {
      driver = "exec"
      config {
        command = "/usr/bin/mobile"
      }
    }
  }
}

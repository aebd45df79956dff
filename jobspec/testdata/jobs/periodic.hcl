job "backup" {
  type = "batch"

  periodic {
    cron             = "15 3 * * *"
    prohibit_overlap = true
    time_zone        = "UTC"
  }

  group "backup" {
    task "dump" {
      driver = "raw_exec"
      config {
        command = "/usr/local/bin/dump"
      }
    }
  }
}

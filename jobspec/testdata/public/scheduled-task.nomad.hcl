job "office-hours" {
  group "g" {
    task "t" {
      driver = "docker"
      config {
        image = "app:1"
      }
      schedule {
        cron {
          start    = "30 9 * * * *"
          end      = "0 17"
          timezone = "America/New_York"
        }
      }
    }
  }
}

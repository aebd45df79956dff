job "periodic" {
  type = "batch"
  periodic {
    cron      = "61 * * * *"
    crons     = ["0 0 30 2 *", "not a cron", "@daily"]
    time_zone = "Mars/Olympus"
  }
  parameterized {
    payload       = "maybe"
    meta_required = ["a", ""]
    meta_optional = ["a"]
  }
  group "g" {
    task "t" {
      driver = "mock"
    }
  }
}

job "system" {
  type = "system"
  affinity {
    attribute = "x"
    value     = "y"
  }
  reschedule {
    delay = "5s"
  }
  update {
    canary = 200
  }
  periodic {
    cron = "@daily"
  }
  group "g" {
    count = 2
    spread {
      attribute = "x"
    }
    task "t" {
      driver = "mock"
      affinity {
        attribute = "x"
        value     = "y"
      }
    }
  }
}

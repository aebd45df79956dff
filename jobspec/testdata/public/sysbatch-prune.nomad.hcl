job "docker-prune" {
  type = "sysbatch"

  periodic {
    crons            = ["0 2 * * *", "@weekly"]
    prohibit_overlap = true
    enabled          = true
  }

  constraint {
    attribute = "${attr.driver.docker}"
    value     = true
  }

  group "prune" {
    task "prune" {
      driver = "raw_exec"
      config {
        command = "docker"
        args    = ["system", "prune", "-af", "--filter", "until=240h"]
      }
      resources {
        cpu    = 20
        memory = 32
      }
    }
  }
}

job "poll" {
  type = "batch"

  periodic {
    crons   = ["*/15 9-17 * * 1-5", "@daily"]
    enabled = false
  }

  group "poll" {
    task "poll" {
      driver = "raw_exec"
      config {
        command = "poll"
      }
    }
  }
}

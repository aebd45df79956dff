job "nightly" {
  type = "batch"

  periodic {
    crons            = ["0 3 * * *"]
    prohibit_overlap = true
    time_zone        = "Europe/Berlin"
  }

  group "g" {
    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/echo"
        args    = ["it is night"]
      }
    }
  }
}

job "signals" {
  group "g" {
    task "t" {
      driver       = "raw_exec"
      kill_signal  = "SIGUSR1"
      kill_timeout = "5s"

      config {
        command = "/bin/sh"
        args    = ["-c", "trap 'echo got USR1, bye; exit 0' USR1; trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.1; done"]
      }
    }
  }
}

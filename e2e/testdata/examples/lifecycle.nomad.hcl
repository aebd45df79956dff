# Every task adds a line to a file that they share: the order can be read from it.
job "lifecycle" {
  type = "batch"

  group "g" {
    restart {
      attempts = 0
    }

    task "main" {
      driver = "raw_exec"
      leader = true

      config {
        command = "/bin/sh"
        args    = ["-c", "echo main >> $NOMAD_ALLOC_DIR/order; sleep 2; cat $NOMAD_ALLOC_DIR/order"]
      }
    }

    task "before" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "sleep 0.3; echo before >> $NOMAD_ALLOC_DIR/order"]
      }
    }

    task "beside" {
      driver = "raw_exec"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "trap 'echo beside ends; exit 0' INT TERM; while :; do sleep 0.1; done"]
      }
    }

    task "after" {
      driver = "raw_exec"

      lifecycle {
        hook = "poststart"
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "sleep 0.5; echo after >> $NOMAD_ALLOC_DIR/order"]
      }
    }

    task "last" {
      driver = "raw_exec"

      lifecycle {
        hook = "poststop"
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "echo last >> $NOMAD_ALLOC_DIR/order; cat $NOMAD_ALLOC_DIR/order"]
      }
    }
  }
}

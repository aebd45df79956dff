job "rotation" {
  type = "batch"

  group "g" {
    ephemeral_disk {
      size = 50
    }

    task "t" {
      driver = "raw_exec"

      logs {
        max_files     = 2
        max_file_size = 1
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "i=0; while [ $i -lt 60000 ]; do echo \"$i 0123456789012345678901234567890123456789012345678901234567890123456789\"; i=$((i+1)); done; echo the end"]
      }
    }
  }
}

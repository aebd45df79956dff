job "system" {
  type = "system"

  group "agent" {
    task "agent" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo on ${node.unique.name}; exec sleep 1000"]
      }
    }
  }
}

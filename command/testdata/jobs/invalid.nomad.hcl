job "web" {
  group "web" {
    count = -1

    task "server" {
      driver = "raw_exec"

      config {
        command = "true"
      }
    }
  }
}

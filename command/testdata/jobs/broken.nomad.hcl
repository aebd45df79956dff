job "web" {
  group "web" {
    cuont = 2

    task "server" {
      driver = "raw_exec"
    }
  }
}

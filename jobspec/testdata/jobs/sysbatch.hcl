job "prune-images" {
  type = "sysbatch"

  constraint {
    attribute = "${attr.driver.docker}"
    operator  = "is_set"
  }

  group "prune" {
    task "prune" {
      driver = "raw_exec"
      config {
        command = "docker"
        args    = ["image", "prune", "-f"]
      }
    }
  }
}

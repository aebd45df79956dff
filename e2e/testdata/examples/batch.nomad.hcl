job "batch" {
  type = "batch"

  group "g" {
    count = 3

    task "work" {
      driver = "raw_exec"

      config {
        command = "/bin/echo"
        args    = ["instance", "${NOMAD_ALLOC_INDEX}", "of", "${NOMAD_JOB_NAME}"]
      }
    }
  }
}

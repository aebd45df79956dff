# Tasks directly in the job become groups of their own.
job "direct" {
  task "one" {
    driver = "raw_exec"
    config {
      command = "one"
    }
  }
  group "two" {
    task "two" {
      driver = "raw_exec"
      config {
        command = "two"
      }
    }
  }
}

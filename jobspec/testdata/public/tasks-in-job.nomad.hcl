job "direct" {
  meta {
    a = 1
  }
  task "one" {
    driver = "raw_exec"
    config {
      command = "one"
    }
    meta {
      b = 2
    }
  }
  task "two" {
    driver = "raw_exec"
    config {
      command = "two"
    }
  }
  group "three" {
    task "three" {
      driver = "raw_exec"
      config {
        command = "three"
      }
    }
  }
}

job "batch" {
  type = "batch"
  update {
    max_parallel = 1
  }
  migrate {
    max_parallel = 1
  }
  group "g" {
    task "t" {
      driver = "mock"
    }
  }
}

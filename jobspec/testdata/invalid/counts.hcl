job "counts" {
  group "a" {
    count = 30000
    task "t" {
      driver = "mock"
    }
  }
  group "b" {
    count = 30000
    task "t" {
      driver = "mock"
    }
  }
}

job "all" {
  update {
    max_parallel = 13
  }
  group "g" {
    count = 3
    task "t" {
      driver = "mock_driver"
      kill_signal = "TERM"
    }
  }
}

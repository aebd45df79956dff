job "periodic" {
  periodic {}
  parameterized {}
  group "g" {
    task "t" {
      driver = "mock"
      dispatch_payload {
        file = "../../etc/passwd"
      }
    }
  }
}

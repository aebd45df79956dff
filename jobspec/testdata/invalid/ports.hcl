job "ports" {
  group "g" {
    network {
      port "a" {
        static = 80
      }
      port "b" {
        static = 80
      }
      port "a" {}
      port "c d" {}
      port "e" {
        to = 70000
      }
    }
    network {}
    task "t" {
      driver = "mock"
    }
  }
}

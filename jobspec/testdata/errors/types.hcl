job "x" {
  priority    = "high"
  datacenters = "dc1"
  all_at_once = "maybe"
  meta        = ["a"]
  group "g" {
    count          = 1.5
    shutdown_delay = 10
    network {
      port "a" {
        static = 70000
      }
      port "b" {
        static = 0
      }
    }
    restart {
      delay = "15 seconds"
    }
    affinity {
      attribute = "x"
      value     = "y"
      weight    = 200
    }
    spread {
      attribute = "x"
      target "a" {
        percent = -1
      }
    }
    task "t" {
      driver = ["raw_exec"]
      env {
        A = ["x"]
      }
      resources {
        cpu = 99999999999999999999
      }
      config {
        command = "x"
      }
    }
  }
}

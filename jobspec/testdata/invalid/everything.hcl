job "two words" {
  name        = "x"
  type        = "servce"
  priority    = 101
  namespace   = "a b"
  node_pool   = "a/b"
  datacenters = ["dc1", ""]

  meta = {
    "selfheal.budget" = "1"
    ""                = "x"
    "a=b"             = "x"
  }

  group "g" {
    count = -1
    task "t" {
      driver = "raw_exec"
    }
    task "t" {
    }
    task "a/b" {
      driver       = "docker"
      kill_timeout = "-5s"
      kill_signal  = "TERM"
      resources {
        cpu    = -5
        memory = 5
      }
    }
    task "alloc" {
      driver = "exec"
      config {
        command = "x"
      }
      resources {
        cpu        = 100
        cores      = 2
        memory     = 100
        memory_max = 50
      }
    }
    task "huge" {
      driver = "mock"
      resources {
        cpu    = 2000000000
        memory = 2000000000
        device "" {
          count = 0
        }
      }
    }
    ephemeral_disk {
      size = -1
    }
  }
  group "g" {}
}

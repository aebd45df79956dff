job "bluegreen" {
  update {
    max_parallel = 3
    canary       = 3
    auto_revert  = true
  }
  group "api" {
    count = 3
    update {
      canary       = 1
      auto_promote = false
    }
    network {
      port "http" { to = 8080 }
    }
    task "api" {
      driver = "docker"
      config {
        image = "api:2"
        ports = ["http"]
      }
    }
    service {
      name             = "api"
      port             = "http"
      tags             = ["live"]
      canary_tags      = []
      address          = "203.0.113.9"
      provider         = "nomad"
      check {
        type      = "http"
        path      = "/"
        interval  = "1s"
        timeout   = "1s"
        on_update = "ignore"
      }
    }
  }
}

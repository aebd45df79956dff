job "shop" {
  meta {
    team = "shop"
  }
  heal {
    budget     = "25%"
    quarantine = true
    slow {
      threshold = 2.5
      window    = "2m"
      for       = "20s"
      action    = "replace"
    }
  }
  group "web" {
    count = 4
    network {
      port "http" {}
    }
    ingress {
      host = "shop.example.org"
      path = "/"
      tls  = true
      port = "http"
    }
    ingress "api" {
      host       = "*.api.example.org"
      path       = "/v1"
      strip_path = true
      service    = "shop"
    }
    analysis "latency" {
      metric     = "latency"
      threshold  = 250
      comparison = "<="
      interval   = "15s"
      count      = 8
      failures   = 2
    }
    service {
      name     = "shop"
      port     = "http"
      provider = "nomad"
    }
    task "web" {
      driver = "exec"
      config {
        command = "/srv/shop"
      }
    }
  }
}

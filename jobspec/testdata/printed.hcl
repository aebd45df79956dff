job "shop" {
  heal {
    budget     = "25%"
    quarantine = true

    slow {
      action    = "replace"
      for       = "20s"
      threshold = 2.5
      window    = "2m"
    }
  }

  meta {
    team = "shop"
  }

  group "web" {
    count = 4

    network {
      port "http" {}
    }

    analysis "latency" {
      comparison = "<="
      count      = 8
      failures   = 2
      interval   = "15s"
      metric     = "latency"
      threshold  = 250
    }

    ingress "api" {
      host       = "*.api.example.org"
      path       = "/v1"
      service    = "shop"
      strip_path = true
    }

    ingress {
      host = "shop.example.org"
      path = "/"
      port = "http"
      tls  = true
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

        mount {
          type = "bind"
        }

        mount {}
      }
      env = {
        "a.b" = "1"
      }

      template {
        data  = <<EOT
one
two $${x} ${NOMAD_IP_http}
EOT
        splay = "1h30m"
      }
    }
  }
}

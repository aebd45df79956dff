job "checks" {
  group "g" {
    network {
      port "grpc" {}
    }
    service {
      name     = "api"
      port     = "grpc"
      provider = "consul"
      check_restart {
        limit = 2
      }
      check {
        type            = "http"
        protocol        = "https"
        path            = "/health"
        tls_server_name = "api.example.com"
        tls_skip_verify = true
        interval        = "5s"
        timeout         = "1s"
      }
      check {
        name     = "listens"
        type     = "tcp"
        port     = "grpc"
        task     = "api"
        interval = "30s"
        timeout  = "5s"
        notes    = "looks at the socket"
      }
    }
    task "api" {
      driver = "docker"
      config {
        image = "api"
      }
      service {
        name         = "api-${NOMAD_GROUP_NAME}"
        port         = "8080"
        address_mode = "auto"
        on_update    = "ignore"
      }
    }
  }
}

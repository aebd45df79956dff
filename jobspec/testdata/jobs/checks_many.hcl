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
        type            = "grpc"
        grpc_service    = "health.v1"
        grpc_use_tls    = true
        tls_server_name = "api.example.com"
        tls_skip_verify = true
        interval        = "5s"
        timeout         = "1s"
      }
      check {
        name     = "inside"
        type     = "script"
        task     = "api"
        command  = "/bin/check"
        args     = ["-fast"]
        interval = "30s"
        timeout  = "5s"
        notes    = "looks at the queue"
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
        address_mode = "driver"
        on_update    = "ignore"
      }
    }
  }
}

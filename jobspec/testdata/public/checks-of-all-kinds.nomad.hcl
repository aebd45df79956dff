job "checks" {
  group "g" {
    network {
      port "http" {}
      port "grpc" {}
    }

    service {
      name = "web"
      port = "http"

      check_restart {
        limit = 3
        grace = "10s"
      }

      check {
        name            = "post"
        type            = "http"
        method          = "POST"
        path            = "/health"
        protocol        = "https"
        tls_server_name = "web.internal"
        tls_skip_verify = true
        body            = "{\"deep\": true}"
        interval        = "10s"
        timeout         = "2s"
        initial_status  = "warning"
        notes           = "deep check"

        header {
          Authorization = ["Basic ZWxhc3RpYzpjaGFuZ2VtZQ=="]
          X-Many        = ["a", "b"]
        }

        success_before_passing   = 3
        failures_before_critical = 4
        failures_before_warning  = 2
      }

      check {
        type         = "grpc"
        port         = "grpc"
        grpc_service = "example.Service"
        grpc_use_tls = true
        interval     = "5s"
        timeout      = "2s"
        on_update    = "ignore_warnings"
      }

      check {
        type     = "script"
        task     = "server"
        command  = "/bin/sh"
        args     = ["-c", "test -f /alloc/ready"]
        interval = "60s"
        timeout  = "5s"

        check_restart {
          limit           = 2
          grace           = "30s"
          ignore_warnings = true
        }
      }

      check {
        type         = "tcp"
        address_mode = "driver"
        port         = 8080
        interval     = "10s"
        timeout      = "2s"
      }
    }

    task "server" {
      driver = "docker"
      config {
        image = "server:1"
      }
    }
  }
}

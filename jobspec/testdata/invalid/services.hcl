job "services" {
  group "g" {
    network {
      port "http" {}
    }
    service {
      name     = "-bad-"
      port     = "htpp"
      provider = "etcd"
      task     = "nobody"
      check {
        type     = "https"
        interval = "1ms"
      }
      check {
        type           = "http"
        path           = "health"
        interval       = "10s"
        timeout        = "2s"
        protocol       = "gopher"
        initial_status = "great"
        on_update      = "panic"
        check_restart {
          limit = -1
          grace = "-1s"
        }
      }
      check {
        type     = "tcp"
        task     = "nobody"
        interval = "10s"
        timeout  = "2s"
      }
    }
    service {
      name         = "no-port"
      address_mode = "somewhere"
      check {
        type     = "tcp"
        interval = "10s"
        timeout  = "2s"
      }
    }
    service {
      name         = "numbers"
      port         = "99999"
      address_mode = "host"
    }
    service {
      name         = "number"
      port         = "80"
      address_mode = "host"
    }
    service {
      name = "undeclared"
      port = "something-else"
    }
    service {
      name = "twice"
      port = "http"
    }
    service {
      name = "twice"
      port = "http"
    }
    task "t" {
      driver = "mock"
    }
  }
}

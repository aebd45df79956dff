job "rabbit" {
  datacenters = ["dc1"]
  type        = "service"

  group "cluster" {
    count = 3

    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    update {
      max_parallel     = 1
      min_healthy_time = "30s"
      healthy_deadline = "5m"
    }

    migrate {
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "5s"
      healthy_deadline = "30s"
    }

    network {
      port "amqp" { static = 5672 }
      port "ui"   { static = 15672 }
      port "epmd" { static = 4369 }
      port "clustering" { static = 25672 }
    }

    task "rabbit" {
      driver = "docker"
      config {
        image    = "rabbitmq:3.13-management"
        hostname = "${attr.unique.hostname}"
        ports    = ["amqp", "ui", "epmd", "clustering"]
        mount {
          type   = "bind"
          source = "local/enabled_plugins"
          target = "/etc/rabbitmq/enabled_plugins"
        }
      }
      template {
        data        = "[rabbitmq_management,rabbitmq_peer_discovery_consul]."
        destination = "local/enabled_plugins"
      }
      env {
        CONSUL_HOST            = "${attr.unique.network.ip-address}"
        RABBITMQ_ERLANG_COOKIE = "rabbitmq"
      }
      service {
        name         = "rabbitmq"
        port         = "ui"
        tags         = ["management"]
        address_mode = "auto"
      }
      service {
        name = "rabbitmq"
        port = "amqp"
        check {
          name     = "RabbitMQ Health"
          port     = "ui"
          type     = "http"
          path     = "/api/health/checks/local-alarms"
          interval = "30s"
          timeout  = "2s"
          header {
            Authorization = ["Basic Z3Vlc3Q6Z3Vlc3Q="]
          }
        }
      }
    }
  }
}

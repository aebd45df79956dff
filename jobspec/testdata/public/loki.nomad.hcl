job "loki" {
  datacenters = ["dc1"]
  type = "service"
  group "loki" {
    count = 1
    restart { mode = "fail" }
    network {
      dns { servers = ["172.17.0.1", "8.8.8.8"] }
      port "http" { static = 3100 }
      port "grpc" {}
    }
    task "loki" {
      driver = "docker"
      user   = "root"
      config {
        image = "grafana/loki:3.1.0"
        args  = ["-config.file", "local/loki/local-config.yaml"]
        ports = ["http", "grpc"]
        volumes = ["${NOMAD_ALLOC_DIR}/loki:/loki"]
      }
      template {
        data        = <<EOH
auth_enabled: false
server:
  http_listen_port: {{ env "NOMAD_PORT_http" }}
common:
  ring:
    instance_addr: 127.0.0.1
    kvstore:
      store: inmemory
  replication_factor: 1
  path_prefix: /loki
schema_config:
  configs:
  - from: 2020-05-15
    store: tsdb
    object_store: filesystem
    schema: v13
    index: {prefix: index_, period: 24h}
EOH
        destination = "local/loki/local-config.yaml"
      }
      resources { memory = 256 }
      service {
        name = "loki"
        port = "http"
        check {
          name = "Loki healthcheck"
          port = "http"
          type = "http"
          path = "/ready"
          interval = "20s"
          timeout  = "5s"
          check_restart { limit = 3 }
        }
      }
    }
  }
}

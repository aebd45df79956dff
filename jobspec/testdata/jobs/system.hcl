job "node-exporter" {
  type        = "system"
  datacenters = ["*"]
  priority    = 90

  update {
    max_parallel = 3
    canary       = 10
  }

  group "exporter" {
    network {
      port "metrics" {
        static       = 9100
        host_network = "default"
      }
    }

    task "exporter" {
      driver = "raw_exec"

      config {
        command = "/usr/local/bin/node_exporter"
        args    = ["--web.listen-address=:${NOMAD_PORT_metrics}"]
      }
    }
  }
}

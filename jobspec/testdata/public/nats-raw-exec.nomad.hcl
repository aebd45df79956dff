job "nats" {
  datacenters = ["dc1"]
  group "nats" {
    count = 3
    network {
      port "client" {}
      port "cluster" {}
    }
    task "nats" {
      driver = "raw_exec"
      artifact {
        source      = "https://example.org/nats-server-v2.10.20-linux-${attr.cpu.arch}.zip"
        destination = "local"
      }
      config {
        command = "local/nats-server"
        args = [
          "-p", "${NOMAD_PORT_client}",
          "-cluster", "nats://0.0.0.0:${NOMAD_PORT_cluster}",
          "-routes", "{{ range service \"nats-cluster\" }}nats://{{ .Address }}:{{ .Port }},{{ end }}",
        ]
      }
      service {
        name     = "nats"
        port     = "client"
        provider = "nomad"
        tags     = ["client", "${NOMAD_ALLOC_INDEX}"]
      }
    }
  }
}

# Every way to ask for a port.
job "ports" {
  group "g" {
    network {
      port "dynamic" {}
      port "mapped" {
        to = 3000
      }
      port "same" {
        to = -1
      }
      port "fixed" {
        static = 5432
      }
      port "both" {
        static = 6379
        to     = 16379
      }
    }

    task "t" {
      driver = "raw_exec"
      config {
        command = "server"
        args = [
          "-a", "${NOMAD_ADDR_dynamic}",
          "-h", "${NOMAD_HOST_PORT_mapped}",
        ]
      }
    }
  }
}

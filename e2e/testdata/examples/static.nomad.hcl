# One instance a node at most: they all want the same port.
job "static" {
  group "g" {
    count = 3

    network {
      port "admin" {
        static = 21987
      }
    }

    task "hold" {
      driver = "raw_exec"

      config {
        command = "/bin/sh"
        args    = ["-c", "echo port $NOMAD_PORT_admin; exec sleep 1000"]
      }
    }
  }
}

job "vm" {
  datacenters = ["dc1"]
  group "vm" {
    network {
      port "ssh" { to = 22 }
    }
    task "alpine" {
      driver = "qemu"
      config {
        image_path        = "local/alpine.qcow2"
        accelerator       = "kvm"
        graceful_shutdown = true
        guest_agent       = true
        args              = ["-nodefaults", "-nodefconfig"]
        port_map {
          ssh = 22
        }
      }
      artifact {
        source      = "https://example.org/images/alpine.qcow2.tar.gz"
        destination = "local/"
      }
      kill_timeout = "60s"
      resources {
        cpu    = 500
        memory = 512
      }
    }
  }
}

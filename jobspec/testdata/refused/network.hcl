job "x" {
  group "g" {
    network {
      mode     = "bridge"
      hostname = "h"
      dns {
        servers = ["1.1.1.1"]
      }
      port "p" {}
    }
    volume "v" {
      type   = "csi"
      source = "x"
      mount_options {
        fs_type = "ext4"
      }
    }
    service {
      name = "first"
      port = "p"
      connect {
        sidecar_service {}
      }
    }
    service {
      name         = "second"
      port         = "p"
      kind         = "x"
      address_mode = "driver"
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "1s"
        expose   = true
      }
      check {
        name         = "named"
        type         = "grpc"
        interval     = "1s"
        timeout      = "1s"
        grpc_service = "health.v1"
        grpc_use_tls = true
        address_mode = "alloc"
        advertise    = "10.0.0.1"
      }
      check {
        type     = "script"
        interval = "1s"
        timeout  = "1s"
        command  = "/bin/check"
        args     = ["-fast"]
      }
    }
    task "t" {
      driver = "raw_exec"
    }
  }
}

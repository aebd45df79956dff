job "x" {
  all_at_once = true
  multiregion {
    region "west" {}
  }
  ui {
    description = "x"
  }
  vault {}
  heal {
    budget = 1
  }
  ingress {}
  update {
    analysis {}
  }
  group "g" {
    consul {}
    network {
      mode     = "bridge"
      hostname = "h"
      dns {
        servers = ["1.1.1.1"]
      }
      port "p" {
        host_network = "public"
      }
    }
    volume "v" {
      type   = "csi"
      source = "x"
    }
    service {
      connect {
        sidecar_service {}
      }
      kind         = "x"
      address_mode = "driver"
      check {
        expose = true
      }
      check {
        type         = "grpc"
        grpc_service = "health.v1"
        grpc_use_tls = true
        address_mode = "alloc"
        advertise    = "10.0.0.1"
      }
      check {
        type    = "script"
        command = "/bin/check"
        args    = ["-fast"]
      }
    }
    task "t" {
      vault {
        policies = ["p"]
      }
      identity {
        env = true
      }
      secret "s" {
        provider = "nomad"
      }
      action "a" {
        command = "x"
      }
      csi_plugin {
        id = "x"
      }
      scaling "cpu" {
        max = 1
      }
      resources {
        secrets = 10
        numa {
          affinity = "require"
        }
      }
    }
  }
}

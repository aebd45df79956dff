job "vpn" {
  group "vpn" {
    network {
      mode     = "cni/tailnet"
      hostname = "vpn-${NOMAD_SHORT_ALLOC_ID}"

      dns {
        servers  = ["10.0.0.53", "${attr.unique.network.ip-address}"]
        searches = ["internal.example.org"]
        options  = ["ndots:2"]
      }

      port "wg" {
        static           = 51820
        to               = -1
        ignore_collision = true
      }

      cni {
        args = {
          "nomad.job" = "vpn"
          mtu         = 1420
        }
      }
    }

    task "wireguard" {
      driver = "docker"
      config {
        image      = "linuxserver/wireguard"
        cap_add    = ["net_admin", "sys_module"]
        privileged = true
        sysctl = {
          "net.ipv4.conf.all.src_valid_mark" = 1
        }
        extra_hosts = ["gateway:10.0.0.1"]
      }
    }
  }
}

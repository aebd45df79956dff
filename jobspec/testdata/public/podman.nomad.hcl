job "podman-redis" {
  datacenters = ["dc1"]
  type = "service"
  group "redis" {
    network {
      port "redis" { to = 6379 }
    }
    task "redis" {
      driver = "podman"
      config {
        image = "docker://redis"
        ports = ["redis"]
        tmpfs = ["/var"]
        auth {
          username = "${REG_USER}"
          password = "${REG_PASS}"
          tls_verify = true
        }
        logging = {
          driver = "journald"
          options = [
            { "tag" = "redis" }
          ]
        }
        init = true
        cap_drop = ["MKNOD"]
        extra_hosts = ["a:1.2.3.4"]
      }
    }
  }
}

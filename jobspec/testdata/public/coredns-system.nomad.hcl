job "coredns" {
  type     = "system"
  priority = 100
  group "dns" {
    network {
      port "dns" {
        static = 53
        to     = 53
      }
    }
    update {
      max_parallel      = 1
      canary            = 50
      progress_deadline = "10m"
    }
    task "coredns" {
      driver = "docker"
      config {
        image        = "coredns/coredns:1.11.3"
        args         = ["-conf", "/local/Corefile"]
        network_mode = "host"
        volumes      = ["local:/local"]
      }
      template {
        destination   = "local/Corefile"
        change_mode   = "signal"
        change_signal = "SIGUSR1"
        data          = <<EOF
. {
  bind {{ env "attr.unique.network.ip-address" }}
  forward . 1.1.1.1 {
    max_concurrent 1000
  }
  cache 30
  errors
}
consul. {
  forward . 127.0.0.1:8600
}
EOF
      }
    }
  }
}

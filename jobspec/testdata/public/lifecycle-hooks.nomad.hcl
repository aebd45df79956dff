job "wait-for-db" {
  group "main" {
    network {
      port "db" {}
    }
    service {
      name     = "db"
      port     = "db"
      task     = "db"
      provider = "nomad"
    }
    task "await-db" {
      driver = "docker"
      config {
        image       = "busybox:1.36"
        command     = "sh"
        args        = ["-c", "echo -n 'Waiting'; until nslookup db.service.consul 2>&1 >/dev/null; do echo '.'; sleep 2; done"]
        dns_servers = ["${attr.unique.network.ip-address}"]
      }
      resources {
        cpu    = 200
        memory = 128
      }
      lifecycle {
        hook    = "prestart"
        sidecar = false
      }
    }
    task "log-shipper" {
      driver = "docker"
      config {
        image = "fluent/fluent-bit:3"
      }
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
    }
    task "db" {
      driver = "docker"
      leader = true
      config {
        image = "postgres:16"
      }
    }
    task "seed" {
      driver = "docker"
      config {
        image = "seed:1"
      }
      lifecycle {
        hook = "poststart"
      }
    }
    task "cleanup" {
      driver = "docker"
      config {
        image = "busybox:1.36"
      }
      lifecycle {
        hook = "poststop"
      }
    }
  }
}

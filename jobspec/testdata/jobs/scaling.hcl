job "autoscaled" {
  group "web" {
    scaling {
      enabled = true
      min     = 2
      max     = 20

      policy {
        cooldown            = "1m"
        evaluation_interval = "10s"

        check "cpu" {
          source = "prometheus"
          query  = "avg(cpu{alloc=\"x\"})"

          strategy "target-value" {
            target = 70.5
          }
        }
      }
    }

    disconnect {
      lost_after = "10m"
    }

    task "web" {
      driver = "docker"
      config {
        image = "web"
      }
    }
  }
}

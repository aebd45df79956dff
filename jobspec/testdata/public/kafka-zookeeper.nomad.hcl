locals {
  zk = range(3)
}
job "kafka" {
  datacenters = ["dc1"]
  dynamic "group" {
    for_each = local.zk
    labels   = ["zk${group.value + 1}"]
    content {
      network {
        port "client" { static = 2181 + group.value }
        port "peer" {}
      }
      service {
        name = "zookeeper"
        port = "client"
        tags = ["zk${group.key + 1}-client"]
      }
      task "zookeeper" {
        driver = "docker"
        config {
          image = "zookeeper:3.9"
        }
        env {
          ZOO_MY_ID   = group.value + 1
          ZOO_SERVERS = join(" ", [for i in local.zk : format("server.%d=zk%d:2888:3888;%d", i + 1, i + 1, 2181 + i)])
        }
      }
    }
  }
}

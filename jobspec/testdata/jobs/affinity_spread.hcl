job "cache" {
  affinity {
    attribute = "${node.datacenter}"
    value     = "dc1"
    weight    = 100
  }

  spread {
    attribute = "${node.datacenter}"
    weight    = 80
    target "dc1" {
      percent = 60
    }
    target "dc2" {
      percent = 40
    }
  }

  group "cache" {
    count = 6

    affinity {
      attribute = "${meta.features}"
      operator  = "set_contains_any"
      value     = "ssd"
      weight    = -25
    }

    affinity {
      attribute = "${attr.kernel.version}"
      version   = "> 5"
    }

    spread {
      attribute = "${meta.rack}"
    }

    task "redis" {
      driver = "docker"
      config {
        image = "redis:7"
      }
      affinity {
        attribute = "${attr.cpu.arch}"
        value     = "amd64"
      }
    }
  }
}

job "placed" {
  datacenters = ["dc*"]
  priority    = 80

  affinity {
    attribute = "${node.datacenter}"
    value     = "us-west1"
    weight    = 100
  }

  affinity {
    attribute = "${attr.platform.aws.placement.availability-zone}"
    operator  = "set_contains_any"
    value     = "a,b"
    weight    = -25
  }

  spread {
    attribute = "${node.datacenter}"
    weight    = 50

    target "us-east1" {
      percent = 70
    }
    target "us-west1" {
      percent = 30
    }
  }

  constraint {
    distinct_hosts = true
  }
  constraint {
    attribute = "${attr.consul.version}"
    semver    = ">= 1.8.0"
  }
  constraint {
    attribute = "${attr.cpu.arch}"
    regexp    = "^(amd64|arm64)$"
  }
  constraint {
    attribute    = "${meta.roles}"
    set_contains = "db,web"
  }
  constraint {
    attribute = "${meta.ssd}"
    operator  = "is_set"
  }
  constraint {
    operator  = "distinct_property"
    attribute = "${meta.rack}"
  }

  group "g" {
    count = 4

    constraint {
      attribute = "${node.unique.name}"
      operator  = "!="
      value     = "old-${NOMAD_DC}"
    }

    spread {
      attribute = "${meta.rack}"
    }

    task "t" {
      driver = "exec"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      affinity {
        attribute = "${attr.vault.version}"
        version   = ">= 1.10"
      }
    }
  }
}

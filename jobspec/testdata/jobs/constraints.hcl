# Every operator, in the long and in the short form.
job "constraints" {
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }
  constraint {
    attribute = "${attr.cpu.arch}"
    operator  = "!="
    value     = "arm"
  }
  constraint {
    attribute = "${attr.cpu.numcores}"
    operator  = ">="
    value     = 4
  }
  constraint {
    distinct_hosts = true
  }
  constraint {
    operator = "distinct_hosts"
    value    = "false"
  }
  constraint {
    distinct_property = "${meta.rack}"
    value             = "2"
  }
  constraint {
    attribute = "${attr.os.version}"
    version   = ">= 20.04, < 26"
  }
  constraint {
    attribute = "${attr.consul.version}"
    semver    = ">= 1.8.0"
  }
  constraint {
    attribute = "${node.unique.name}"
    regexp    = "^web-[0-9]+$"
  }

  group "g" {
    constraint {
      attribute    = "${meta.features}"
      set_contains = "ssd,ipv6"
    }
    constraint {
      attribute        = "${meta.features}"
      set_contains_any = "ssd,nvme"
    }
    constraint {
      attribute = "${meta.gpu}"
      operator  = "is_not_set"
    }

    task "t" {
      driver = "raw_exec"
      config {
        command = "x"
      }
      constraint {
        attribute = "${attr.driver.docker.version}"
        operator  = "version"
        value     = "> 19"
      }
      constraint {
        attribute = "${node.class}"
        is_set    = true
      }
    }
  }
}

job "constrained" {
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  group "g" {
    count = 2

    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    constraint {
      attribute = "${node.unique.name}"
      operator  = "regexp"
      value     = "^client-[0-9]+$"
    }

    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/sleep"
        args    = ["1000"]
      }
    }
  }
}

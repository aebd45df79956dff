job "constraints" {
  constraint {
    attribute = "${attr.kernel.name}"
    operator  = "=~"
    value     = "linux"
  }
  constraint {
    attribute = "x"
    operator  = "regex"
    value     = "y"
  }
  constraint {
    attribute = "x"
    regexp    = "["
  }
  constraint {
    attribute = "x"
    regexp    = "${meta.pattern}["
  }
  constraint {
    attribute = "x"
    version   = "new"
  }
  constraint {
    value = "x"
  }
  constraint {
    attribute = "x"
    operator  = ">"
  }
  constraint {
    distinct_property = "x"
    value             = "many"
  }
  constraint {
    operator = "distinct_hosts"
    value    = "perhaps"
  }
  constraint {
    attribute = "x"
    operator  = "is_set"
    value     = "y"
  }
  affinity {
    attribute = "x"
    value     = "y"
    weight    = 0
  }
  affinity {
    attribute = "x"
    operator  = "distinct_property"
    weight    = 101
  }
  spread {
    weight = 0
    target "a" {
      percent = 60
    }
    target "a" {
      percent = 60
    }
  }
  group "g" {
    task "t" {
      driver = "mock"
    }
  }
}

job "x" {
  group {
    restart = {
      attempts = 1
    }
    count {
    }
    update {}
    update {}
  }
  group "a" "b" {
  }
  meta "label" {
    inner {}
  }
  constraint {
    distinct_hosts = "perhaps"
    is_set         = false
  }
  group "g" {
    volume "v" {
      type = "host"
    }
    volume "v" {
      type = "host"
    }
    task "t" {
      config {
        both = 1
        both {}
      }
    }
  }
}

job "x" {
  heal {
    bugdet = 1
    budget = [1]
    slow "label" {
    }
    slow {
      treshold = 2
    }
    slow {
      window = "1m"
    }
    fast {}
  }
  heal {
    budget = 2
  }
  ingress {}
  ingress "a b" {
    host = "x"
  }
  update {
    analysis {
      metric = "latency"
    }
  }
  group "g" {
    meta = {
      "selfheal.ingress.a.host" = "x"
    }
    ingress "a" {
      host = "a.example.org"
    }
    ingress "a" {
      host = "b.example.org"
    }
    heal "me" {
      budget = 1
    }
    task "t" {
      driver = "raw_exec"
      ingress {
        host = "x"
      }
    }
  }
}

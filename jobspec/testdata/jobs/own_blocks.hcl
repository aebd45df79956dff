# Our own blocks become Meta, beside what the meta block holds.
variable "factor" {
  default = 3
}
job "shop" {
  meta {
    team = "shop"
  }
  heal {
    budget     = "10%"
    quarantine = true
    revert     = false
    slow {
      threshold = var.factor
      window    = "5m"
      for       = "30s"
      action    = "replace"
    }
  }
  group "web" {
    heal {
      budget = 1
    }
    dynamic "ingress" {
      for_each = ["shop", "cart"]
      labels   = [ingress.value]
      content {
        host = "${ingress.value}.example.org"
      }
    }
    ingress {
      path       = "/old"
      strip_path = true
    }
    analysis "errors" {
      provider   = "prometheus"
      query      = "sum(rate(http_errors[1m]))"
      threshold  = 0.05
      comparison = "<"
      interval   = "10s"
      count      = 6
      failures   = 1
    }
    meta {
      tier = "front"
    }
    task "t" {
      driver = "raw_exec"
    }
  }
}

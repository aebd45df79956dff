# Values of our own blocks are judged however they came.
job "x" {
  meta = {
    "selfheal.rebalance"              = "sometimes"
    "selfheal.heal.slwo.threshold"    = "2"
    "selfheal.heal.slow"              = "2"
    "selfheal.ingress.shop.paht"      = "/"
    "selfheal.nothing"                = "x"
    "selfheal.analysis.rate.interval" = "soon"
  }
  heal {
    budget     = 0
    quarantine = "perhaps"
    slow {
      threshold = 1
      action    = "panic"
      for       = "-1s"
    }
  }
  group "g" {
    meta = {
      "selfheal.rebalance" = "off"
    }
    ingress {
      path = "no/slash"
      host = "under_score.example.org"
      tls  = "yes"
    }
    ingress "shop" {
      service = ""
    }
    analysis {
      query      = "x"
      comparison = "=="
      count      = -1
      threshold  = "much"
    }
    task "t" {
      driver = "mock_driver"
      meta = {
        "selfheal.heal.budget" = "1"
      }
    }
  }
}

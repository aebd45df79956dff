job "rebalanced" {
  meta = {
    "selfheal.rebalance"   = "propose"
    "selfheal.heal.budget" = "1"
    owner                  = "ops"
  }
  group "g" {
    task "t" {
      driver = "exec"
      config {
        command = "/srv/x"
      }
    }
  }
}

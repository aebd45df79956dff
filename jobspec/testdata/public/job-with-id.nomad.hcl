job "label" {
  id        = "the-id"
  name      = "The Name"
  region    = "eu"
  namespace = "team-a"
  node_pool = "web"
  type      = "service"
  priority  = "60"

  group "g" {
    task "t" {
      driver = "mock_driver"
      kind   = "connect-proxy:web"
      user   = "nobody"
      config {
        run_for = "1h"
      }
    }
  }
}

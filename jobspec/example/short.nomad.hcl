job "example" {
  group "web" {
    count = 3

    network {
      port "http" {}
    }

    task "server" {
      driver = "raw_exec"

      config {
        command = "selfheal"
        args    = ["demo-web"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}

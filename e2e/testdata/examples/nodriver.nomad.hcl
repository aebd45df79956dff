job "nodriver" {
  group "cache" {
    network {
      port "db" {
        to = 6379
      }
    }

    task "redis" {
      driver = "java"

      config {
        jar_path = "local/app.jar"
      }
    }
  }
}

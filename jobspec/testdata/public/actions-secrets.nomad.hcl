job "db" {
  ui {
    description = "A **database** with [docs](https://example.org)"
    link {
      label = "Docs"
      url   = "https://example.org/docs"
    }
    link {
      label = "Dashboard"
      url   = "https://example.org/d/db"
    }
  }

  secret "shared" {
    provider = "nomad"
    path     = "secret/shared"
  }

  group "db" {
    task "db" {
      driver = "docker"

      config {
        image = "postgres:16"
      }

      secret "db" {
        provider = "vault"
        path     = "kv/data/db"
        config {
          engine = "kv_v2"
        }
        env {
          LOOKUP = "x"
        }
      }

      action "migrate" {
        command = "/bin/sh"
        args    = ["-c", "migrate up --user ${NOMAD_META_user}"]
      }

      action "vacuum" {
        command = "/usr/bin/vacuumdb"
      }

      env {
        PASSWORD = "${secret.db.password}"
      }
    }
  }
}

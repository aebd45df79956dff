job "identities" {
  group "g" {
    consul {
      namespace = "team"
      cluster   = "default"
      partition = "main"
    }

    network {
      port "http" {}
    }

    service {
      name     = "api"
      port     = "http"
      provider = "consul"
      cluster  = "default"

      identity {
        aud = ["consul.io"]
        ttl = "1h"
      }

      weights {
        passing = 10
        warning = 1
      }

      tagged_addresses {
        lan = "10.0.0.1"
        wan = "203.0.113.7"
      }

      enable_tag_override = true
    }

    task "t" {
      driver = "docker"

      config {
        image = "app:1"
      }

      consul {
        cluster   = "default"
        partition = "main"
      }

      identity {
        env         = true
        file        = true
        filepath    = "local/token"
        change_mode = "restart"
      }

      identity {
        name          = "vault_default"
        aud           = ["vault.io"]
        ttl           = "3600s"
        env           = true
        change_mode   = "signal"
        change_signal = "SIGHUP"
        extra_claims  = ["team"]
      }

      identity {
        name         = "consul-service_api-http"
        service_name = "api"
        aud          = ["consul.io"]
      }
    }
  }
}

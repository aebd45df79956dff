job "x" {
  all_at_once = true
  multiregion {
    region "west" {}
  }
  ui {
    description = "x"
  }
  vault {}
  group "g" {
    consul {}
    vault {
      role = "group"
    }
    scaling {
      max = 1
    }
    task "t" {
      driver = "raw_exec"
      vault {
        policies = ["p"]
      }
      identity {
        env = true
      }
      secret "s" {
        provider = "nomad"
      }
      action "a" {
        command = "x"
      }
      csi_plugin {
        id = "x"
      }
      scaling "cpu" {
        max = 1
      }
      artifact {
        source = "https://example.org/x"
      }
      template {
        data        = "x"
        destination = "local/x"
      }
      resources {
        secrets = 10
      }
    }
    task "inherits" {
      driver = "raw_exec"
    }
  }
}

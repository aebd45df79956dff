job "tasks" {
  group "hooks" {
    task "a" {
      driver = "mock"
      leader = true
      lifecycle {
        hook = "midlife"
      }
    }
    task "b" {
      driver = "mock"
      leader = true
      lifecycle {
        hook = ""
      }
    }
  }
  group "files" {
    volume "v" {}
    volume "w" {
      type = "host"
    }
    task "t" {
      driver = "mock"
      logs {
        max_files     = 10
        max_file_size = 100
      }
      env = {
        "A=B" = "x"
      }
      volume_mount {
        volume           = "x"
        propagation_mode = "viral"
      }
      artifact {
        destination = "/etc"
        mode        = "tree"
      }
      template {
        source      = "a"
        data        = "b"
        change_mode = "script"
        splay       = "-1s"
        wait {
          min = "5s"
          max = "1s"
        }
      }
    }
    task "u" {
      driver = "mock"
      logs {
        max_files     = 0
        max_file_size = -1
      }
      resources {
        disk = 5
        iops = 5
      }
      template {
        vault_grace = "1s"
        destination = "local/a"
        data        = "x"
      }
    }
  }
}

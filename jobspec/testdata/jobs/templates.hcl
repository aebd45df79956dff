job "templates" {
  group "g" {
    task "t" {
      driver = "exec"
      config {
        command = "local/run"
      }

      template {
        source      = "local/in.tpl"
        destination = "${NOMAD_SECRETS_DIR}/out.env"
        env         = true
        change_mode = "noop"
        perms       = "600"
        uid         = 1000
        gid         = 1000
      }

      template {
        data            = "key = [[ key \"x\" ]]"
        destination     = "local/x"
        left_delimiter  = "[["
        right_delimiter = "]]"
        change_mode     = "script"
        splay           = "1s"
        once            = true

        change_script {
          command       = "/bin/reload"
          args          = ["now"]
          fail_on_error = true
        }

        wait {
          min = "2s"
          max = "1m"
        }
      }

      artifact {
        source      = "https://example.com/app.tgz"
        destination = "local/app"
        mode        = "dir"
        options {
          checksum = "md5:d41d8cd98f00b204e9800998ecf8427e"
        }
        headers {
          X-Token = "t"
        }
      }
    }
  }
}

job "templates" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config { command = "true" }

      template {
        source      = "local/in.tpl"
        destination = "local/out"
        once        = true
        splay       = "0s"
      }
      template {
        data                 = "{{ key \"x\" }}"
        destination          = "local/one"
        error_on_missing_key = true
        change_mode          = "noop"
        wait {
          min = "2s"
        }
      }
      template {
        data        = <<EOT
{{ $creds := "x" }}
{{- range $i, $e := services }}
server.{{ $i }}={{ .Name }}
{{- end }}
literal $${not_me} and %%{ if neither } and 100% of $5
EOT
        destination = "local/two"
        change_mode = "script"
        change_script {
          command             = "/local/reload.sh"
          timeout             = "20s"
          fail_on_error       = false
          run_on_first_render = true
        }
      }
      template {
        data        = <<-EOT
                      indented {{ env "NOMAD_TASK_NAME" }}
                        more
                      EOT
        destination = "secrets/three.env"
        env         = "true"
      }
    }
  }
}

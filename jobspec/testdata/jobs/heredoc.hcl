# Text of many lines: indented and not, with names of now and of later.
variable "greeting" {
  default = "hello"
}

job "heredoc" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args = ["-c", <<-SCRIPT
          echo "${var.greeting} from ${NOMAD_TASK_NAME}"
          echo "$${HOME} stays, and so does $HOME"
          for i in 1 2; do
            echo $i
          done
        SCRIPT
        ]
      }

      template {
        destination = "local/app.conf"
        data        = <<EOF
bind = {{ env "NOMAD_ADDR_http" }}
name = ${var.greeting}
path = ${env["PATH"]}
%{for n in [1, 2]}node = ${n}
%{endfor}
EOF
      }
    }
  }
}

job "scripts" {
  type = "batch"
  group "g" {
    task "inline" {
      driver = "exec"
      config {
        command = "bash"
        args = ["-c", <<EOF
set -euo pipefail
for f in *.txt; do
  echo "$f: $(wc -l < "$f")" | awk '{ print $1 }'
done
[[ -z "$${X:-}" ]] && echo "no x"
EOF
        ]
      }
    }
    task "file" {
      driver = "exec"
      config {
        command = "local/run.sh"
      }
      template {
        perms       = "755"
        destination = "local/run.sh"
        data        = <<-EOS
          #!/bin/sh
          echo 'it''s' "\n" \t
        EOS
      }
    }
  }
}

job "github_runner" {
  datacenters = ["dc1"]
  type        = "batch"
  parameterized {
    payload       = "forbidden"
    meta_required = ["GH_REPO_URL"]
  }
  vault {
    policies    = ["github"]
    change_mode = "signal"
    change_signal = "SIGINT"
  }
  group "runners" {
    task "runner" {
      driver = "docker"
      template {
        env         = true
        destination = "secrets/vault.env"
        data        = <<EOF
ACCESS_TOKEN = "{{with secret "secret/data/github"}}{{index .Data.data "token"}}{{end}}"
RUNNER_NAME_PREFIX = "gh"
RUNNER_WORKDIR = "/tmp/runner-{{ env "NOMAD_ALLOC_ID" }}"
REPO_URL = "{{ env "NOMAD_META_GH_REPO_URL" }}"
EOF
      }
      env {
        EPHEMERAL           = "true"
        DISABLE_AUTO_UPDATE = "true"
        RUNNER_GROUP        = "default"
      }
      config {
        image      = "myoung34/github-runner:latest"
        privileged = true
        userns_mode = "host"
        volumes    = ["/var/run/docker.sock:/var/run/docker.sock"]
      }
      restart {
        attempts = 0
        mode     = "fail"
      }
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
  }
}

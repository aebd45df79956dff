variable "token" {
  type    = string
  default = ""
}
job "cloudflared" {
  datacenters = ["*"]
  group "tunnel" {
    count = 2
    constraint {
      distinct_hosts = "true"
    }
    spread {
      attribute = "${node.unique.id}"
    }
    task "tunnel" {
      driver = "docker"
      config {
        image   = "cloudflare/cloudflared:latest"
        command = "tunnel"
        args    = var.token == "" ? ["--no-autoupdate", "run"] : ["--no-autoupdate", "run", "--token", var.token]
      }
      template {
        data        = "TUNNEL_TOKEN={{ with nomadVar \"nomad/jobs/cloudflared\" }}{{ .token }}{{ end }}\n"
        destination = "${NOMAD_SECRETS_DIR}/env"
        env         = true
      }
    }
  }
}

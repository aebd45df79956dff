locals {
  config = {
    listen = "0.0.0.0:8080"
    limits = [1, 2.5, "x"]
    deep   = { a = { b = null } }
  }
}
job "rendered" {
  group "g" {
    task "t" {
      driver = "docker"
      config {
        image = "app:1"
      }
      template {
        data        = jsonencode(local.config)
        destination = "local/config.json"
      }
      template {
        data        = yamlencode(local.config)
        destination = "local/config.yaml"
      }
      template {
        data        = <<EOT
%{ for name, value in { b = 2, a = 1 } ~}
${name}=${value}
%{ endfor ~}
%{ if true }on%{ else }off%{ endif }
EOT
        destination = "local/config.env"
      }
      template {
        data        = file("hello.txt")
        destination = "local/hello"
      }
      env {
        CHECKSUM = sha256(jsonencode(local.config))
        HOSTS    = join(",", [for i in range(1, 4) : cidrhost("10.0.0.0/24", i)])
        SHORT    = substr(md5("x"), 0, 8)
        STAMP    = formatdate("YYYY-MM-DD", "2026-01-02T03:04:05Z")
      }
    }
  }
}

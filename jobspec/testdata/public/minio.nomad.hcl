variables {
  versions = {
    minio  = "RELEASE.2024-08-03T04-33-23Z"
    mc     = "latest"
  }
  hosts = ["one", "two", "three"]
}

job "minio" {
  datacenters = ["dc1"]
  constraint {
    attribute = "${attr.unique.hostname}"
    operator  = "regexp"
    value     = "^(${join("|", var.hosts)})$"
  }
  group "minio" {
    count = length(var.hosts)
    network {
      port "s3" { static = 9000 }
      port "console" { static = 9001 }
    }
    update {
      max_parallel = 1
      stagger      = "10s"
    }
    task "minio" {
      driver = "docker"
      config {
        image = "quay.io/minio/minio:${var.versions["minio"]}"
        args  = concat(["server", "--console-address", ":9001"], formatlist("http://%s.minio:9000/data", var.hosts))
        ports = ["s3", "console"]
      }
      template {
        data        = <<EOF
MINIO_ROOT_USER="{{ with nomadVar "nomad/jobs/minio" }}{{ .user }}{{ end }}"
MINIO_ROOT_PASSWORD="{{ with nomadVar "nomad/jobs/minio" }}{{ .password }}{{ end }}"
EOF
        destination = "${NOMAD_SECRETS_DIR}/env"
        env         = true
      }
    }
  }
}

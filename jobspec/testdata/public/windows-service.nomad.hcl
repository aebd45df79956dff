job "iis" {
  datacenters = ["dc1"]
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "windows"
  }
  group "iis" {
    network {
      port "http" {}
    }
    task "site" {
      driver = "raw_exec"
      config {
        command = "powershell.exe"
        args    = ["-NoProfile", "-File", "local\\start.ps1", "-Port", "${NOMAD_PORT_http}"]
      }
      template {
        destination = "local/start.ps1"
        data        = <<EOF
param([int]$Port)
$site = "C:\inetpub\$($env:NOMAD_JOB_NAME)"
Write-Host "Serving $${site} on port $Port"
EOF
      }
      env {
        PATH_EXTRA = "C:\\tools"
      }
    }
  }
}

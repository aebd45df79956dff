variable "db" {
  type = object({
    host = string
    port = optional(number, 5432)
    name = optional(string)
  })
  default = {
    host = "db.internal"
  }
}
variable "admin_password" {
  type      = string
  sensitive = true
  default   = "change-me"
}
job "keycloak" {
  datacenters = ["dc1"]
  group "iam" {
    network {
      port "keycloak" { to = 8080 }
      port "callback" { to = 8250 }
    }
    task "keycloak" {
      driver = "docker"
      config {
        image = "quay.io/keycloak/keycloak:25.0"
        args  = ["start-dev"]
        ports = ["keycloak"]
      }
      env {
        KEYCLOAK_ADMIN          = "admin"
        KEYCLOAK_ADMIN_PASSWORD = var.admin_password
        KC_DB_URL               = "jdbc:postgresql://${var.db.host}:${var.db.port}/${coalesce(var.db.name, "keycloak")}"
        KC_HTTP_ENABLED         = true
        PROXY_ADDRESS_FORWARDING = "true"
      }
      template {
        env         = true
        destination = "secrets/env"
        data        = <<EOT
{{- range $key, $val := (key "keycloak/env" | parseJSON) }}
{{ $key | trimSpace }}={{ $val | toJSON }}
{{- end }}
EOT
      }
    }
  }
}

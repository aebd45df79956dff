job "nextcloud" {
  datacenters = ["dc1"]
  group "nextcloud" {
    network {
      mode = "bridge"
      port "http" { to = 80 }
      port "db"   { to = 5432 }
      port "redis" {
        to = 6379
      }
    }
    volume "html" {
      type   = "host"
      source = "nextcloud-html"
      sticky = true
    }
    volume "pg" {
      type   = "host"
      source = "nextcloud-pg"
    }
    task "db" {
      driver = "docker"
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
      config {
        image = "postgres:16-alpine"
        ports = ["db"]
      }
      volume_mount {
        volume      = "pg"
        destination = "/var/lib/postgresql/data"
      }
      env {
        POSTGRES_USER = "nextcloud"
      }
    }
    task "redis" {
      driver = "docker"
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
      config {
        image = "redis:7-alpine"
        args  = ["--save", "", "--appendonly", "no"]
        ports = ["redis"]
      }
      resources {
        cpu        = 50
        memory     = 32
        memory_max = 64
      }
    }
    task "app" {
      driver = "docker"
      config {
        image = "nextcloud:29-apache"
        ports = ["http"]
      }
      volume_mount {
        volume      = "html"
        destination = "/var/www/html"
      }
      env {
        POSTGRES_HOST             = "localhost:${NOMAD_PORT_db}"
        REDIS_HOST                = "127.0.0.1"
        NEXTCLOUD_TRUSTED_DOMAINS = "cloud.example.org *.internal"
      }
    }
    task "cron" {
      driver = "docker"
      lifecycle {
        hook    = "poststart"
        sidecar = true
      }
      config {
        image      = "nextcloud:29-apache"
        entrypoint = ["/cron.sh"]
      }
      volume_mount {
        volume      = "html"
        destination = "/var/www/html"
      }
    }
    service {
      name = "nextcloud"
      port = "http"
      tags = [
        "traefik.enable=true",
        "traefik.http.middlewares.nc-rd.redirectregex.regex=https://(.*)/.well-known/(?:card|cal)dav",
        "traefik.http.middlewares.nc-rd.redirectregex.replacement=https://$${1}/remote.php/dav",
      ]
    }
  }
}

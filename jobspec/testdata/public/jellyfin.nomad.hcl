variables {
  base_domain = "example.org"
  media = [
    { name = "movies", path = "/mnt/movies", ro = true },
    { name = "series", path = "/mnt/series", ro = true },
    { name = "config", path = "/config", ro = false },
  ]
}
job "jellyfin" {
  datacenters = ["dc1"]
  group "jellyfin" {
    network {
      port "http" { to = 8096 }
    }
    dynamic "volume" {
      for_each = { for m in var.media : m.name => m }
      labels   = ["media_${volume.key}"]
      content {
        type      = "host"
        source    = volume.key
        read_only = volume.value.ro
      }
    }
    task "jellyfin" {
      driver = "docker"
      config {
        image = "jellyfin/jellyfin:10.9"
        ports = ["http"]
      }
      dynamic "volume_mount" {
        for_each = var.media
        iterator = media
        content {
          volume      = "media_${media.value.name}"
          destination = media.value.path
          read_only   = media.value.ro
        }
      }
      service {
        name = NOMAD_JOB_NAME
        port = "http"
        tags = ["traefik.enable=true", "traefik.http.routers.${NOMAD_JOB_NAME}.rule=Host(`${NOMAD_JOB_NAME}.${var.base_domain}`)"]
      }
    }
  }
}

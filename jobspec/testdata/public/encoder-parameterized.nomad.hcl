job "video-encode" {
  datacenters = ["dc1"]
  type        = "batch"

  parameterized {
    payload       = "required"
    meta_required = ["input", "profile"]
    meta_optional = ["output"]
  }

  meta {
    output = "/var/out"
  }

  group "encode" {
    task "ffmpeg" {
      driver = "exec"

      config {
        command = "ffmpeg-wrapper"
        args    = ["-i", "${NOMAD_META_input}", "-profile", "${NOMAD_META_PROFILE}", "${NOMAD_META_OUTPUT}"]
      }

      dispatch_payload {
        file = "config.json"
      }

      artifact {
        source      = "https://example.org/ffmpeg-wrapper.tgz"
        destination = "local/bin"
        mode        = "dir"
        options {
          checksum = "md5:df6a4178aec9fbdc1d6d7e3634d1bc33"
          archive  = "tgz"
        }
        headers {
          User-Agent    = "nomad-[${NOMAD_JOB_ID}]-[${NOMAD_GROUP_NAME}]-[${NOMAD_TASK_NAME}]"
          X-Nomad-Alloc = "${NOMAD_ALLOC_ID}"
        }
        chown = true
      }

      artifact {
        source   = "git::git@github.com:example/repo.git"
        insecure = true
        options {
          ref    = "main"
          depth  = 1
          sshkey = base64encode("not a key\n")
        }
      }

      resources {
        cpu    = 1000
        memory = 256
        cores  = null
      }
    }
  }
}

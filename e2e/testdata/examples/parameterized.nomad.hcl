job "encode" {
  type = "batch"

  parameterized {
    payload       = "forbidden"
    meta_required = ["input"]
    meta_optional = ["quality"]
  }

  meta {
    quality = "high"
  }

  group "g" {
    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/echo"
        args    = ["encode", "${NOMAD_META_input}", "in", "${NOMAD_META_QUALITY}"]
      }
    }
  }
}

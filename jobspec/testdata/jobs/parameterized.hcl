job "transcode" {
  type = "batch"

  parameterized {
    payload       = "required"
    meta_required = ["profile"]
    meta_optional = ["callback"]
  }

  group "work" {
    task "ffmpeg" {
      driver = "exec"

      dispatch_payload {
        file = "input.json"
      }

      config {
        command = "transcode"
        args    = ["-profile", "${NOMAD_META_profile}", "-in", "${NOMAD_TASK_DIR}/input.json"]
      }
    }
  }
}

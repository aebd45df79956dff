job "user" {
  type = "batch"

  group "g" {
    task "t" {
      driver = "raw_exec"
      user   = "nobody"

      config {
        command = "/bin/sh"
        args    = ["-c", "id -un; touch local/mine && touch $NOMAD_ALLOC_DIR/data/mine && echo wrote"]
      }
    }
  }
}

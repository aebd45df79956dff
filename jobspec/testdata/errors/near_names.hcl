job "x" {
  datacentres = ["dc1"]
  gruop "g" {
  }
  group "g" {
    cuont = 3
    restart {
      attempt = 2
    }
    task "t" {
      drvier = "raw_exec"
      config {
        anything = "goes"
      }
      resource {
        cpu = 1
      }
      completely_different = 1
    }
  }
}

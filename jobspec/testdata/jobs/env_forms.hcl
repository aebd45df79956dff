# env and meta as blocks and as attributes.
job "forms" {
  meta = {
    "dotted.key" = "yes"
  }
  group "g" {
    meta {
      a = "1"
    }
    task "t" {
      driver = "raw_exec"
      config {
        command = "x"
        empty   = null
        ratio   = 0.5
        big     = 4294967296
      }
      env = merge({ A = "1" }, { for k in ["b", "c"] : upper(k) => k })
    }
  }
}

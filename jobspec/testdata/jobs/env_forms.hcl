# Maps as blocks and as attributes, in whose keys anything may stand.
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
      artifact {
        source  = "https://example.com/a.tgz"
        options = { checksum = "md5:0cc175b9c0f1b6a831c399e269772661" }
        headers = { "X-Token" = "t" }
      }
      service {
        port = 80
        check {
          type     = "http"
          path     = "/"
          interval = "10s"
          timeout  = "2s"
          header   = { Accept = ["text/plain"] }
        }
      }
    }
    task "legacy" {
      driver = "raw_exec"
      config = {
        command = "x"
        logging = { driver = "journald", "a.b" = 1 }
      }
    }
  }
}

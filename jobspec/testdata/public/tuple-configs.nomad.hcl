job "shapes" {
  group "g" {
    task "t" {
      driver = "docker"
      config {
        image   = "x"
        flag    = true
        ratio   = 0.25
        big     = 4294967296
        none    = null
        empty   = []
        nothing = {}
        mixed   = [1, "two", true, null, { a = [1] }, ["b"]]
        nested = {
          a = { b = { c = [{ d = 1 }, { d = 2 }] } }
        }
        text = "${1 + 1}"
        sum  = 1 + 1
        rep {
          n = 1
          sub {
            deep = true
          }
          sub {}
        }
        rep {
          n = 2
        }
        labelled "one" {
          x = 1
        }
        labelled "two" "three" {
          x = 2
        }
        empty_block {}
        dynamic "made" {
          for_each = { a = 1, b = 2 }
          labels   = [made.key]
          content {
            value = made.value
          }
        }
      }
    }
  }
}

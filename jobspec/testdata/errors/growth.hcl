locals {
  list = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : 1]]]
  wide = format("%999999999d", 1)
  deep = indent(999999999, "a\nb")
  many = replace("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", format("%9999s", ""))
  twice = replace(local.more, "a", local.more)
  more = join("", [for i in range(1000) : "aaaaaaaaaa"])
  again = regex_replace(local.more, "a", local.more)
  joined = join(local.more, range(1000))
}
job "x" {
  task "t" {
    driver = "raw_exec"
    config {
      huge = 1e400
      deep = [{ a = 1e999 }]
    }
  }
}

job "x" {
  meta {
    a = file("missing.txt")
    b = file("../errors/files.hcl")
    c = file("/etc/passwd")
    d = templatefile("greet.tpl", { name = "only" })
    e = file("sub")
    f = join(",", fileset(".", "[a"))
  }
}

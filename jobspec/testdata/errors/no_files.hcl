# test no-files
job "x" {
  meta {
    a = file("hello.txt")
    b = templatefile("greet.tpl", {})
    c = fileexists("x")
    d = join(",", fileset(".", "*"))
    e = abspath("x")
    f = pathexpand("~/x")
  }
}

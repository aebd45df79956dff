# The functions that read files.
job "files" {
  meta = {
    file       = file("hello.txt")
    base64     = filebase64("hello.txt")
    there      = fileexists("hello.txt")
    not_there  = fileexists("nothing.txt")
    set        = join(",", fileset(".", "**/*.txt"))
    names      = "${basename("/a/b.txt")} ${dirname("/a/b.txt")} ${pathexpand("plain")}"
    rendered   = templatefile("greet.tpl", { name = "Ada", items = ["x", "y"] })
  }
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "x"
      }
    }
  }
}

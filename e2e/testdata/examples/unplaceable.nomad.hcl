job "unplaceable" {
  group "g" {
    constraint {
      attribute = "${attr.cpu.arch}"
      value     = "z80"
    }

    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/true"
      }
    }
  }
}

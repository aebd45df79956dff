type = "host"
name = "x"

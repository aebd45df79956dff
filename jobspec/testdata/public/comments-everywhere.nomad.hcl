# hash
// slashes
/* block
   comment */
job /* here */ "commented" { # after
  datacenters = [ # in a list
    "dc1", // one
    /* nothing */
    "dc2",
  ]
  group "g" { // group
    count = /* how many */ 2
    task "t" {
      driver = "raw_exec" # why
      config { # block
        command = "x"
      }
      template {
        destination = "local/x"
        data        = <<EOF
# not a comment
// nor this
EOF
      }
    }
  }
}

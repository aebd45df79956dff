name = "x"
jop "x" {}
job "a" {}
job "b" {}
job {}
variable {}
locals "l" {}

locals {
  a = "${local.b}!"
  b = local.c
  c = [local.a]
  d = "fine"
}
job "x" {
  meta {
    a = local.a
  }
}

locals {
  a = "0123456789012345678901234567890123456789012345678901234567890123"
  b = "${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}"
  c = "${local.b}${local.b}${local.b}${local.b}${local.b}${local.b}${local.b}${local.b}"
  d = "${local.c}${local.c}${local.c}${local.c}${local.c}${local.c}${local.c}${local.c}"
  e = "${local.d}${local.d}${local.d}${local.d}${local.d}${local.d}${local.d}${local.d}"
  f = "${local.e}${local.e}${local.e}${local.e}${local.e}${local.e}${local.e}${local.e}"
  g = "${local.f}${local.f}"
  h = bcrypt("x", 20)
  i = setproduct(range(1000), range(1000))
}
job "x" {
  dynamic "group" {
    for_each = range(1000)
    labels   = ["g${group.key}"]
    content {
      dynamic "task" {
        for_each = range(1000)
        labels   = ["t${task.key}"]
        content {}
      }
    }
  }
}

locals {
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
locals {
  laughs = yamldecode(<<-YAML
    a: &a [x, x, x, x, x, x, x, x, x, x]
    b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
    c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
    d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
    e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
    f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
    g: [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]
  YAML
  )
  crons  = yamldecode(<<-YAML
    - "*/5 * * * *"
    - "*/5 */5 */5 */5 */5"
    - "*/5 */5 */5 */5 */5"
    - "*/5 */5 */5 */5 */5"
    - "*/5 */5 */5 */5 */5"
    - "*/5 */5 */5 */5 */5"
    - "*/5 */5 */5 */5 */5 & more"
  YAML
  )
  shared = yamldecode("a: &x [1, 2]\nb: *x")
}

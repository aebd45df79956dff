variable "image" {
  default = "x"
}
locals {
  region_name = "eu"
}
job "x" {
  meta {
    a = var.imgae
    b = local.region
    c = image
    d = region_name
    e = "${nod.class}"
    f = "${foo.bar} and ${NOMAD_ALLOC_ID}"
    g = [for x in ["a"] : y]
    h = uper("a")
    i = var["imagee"]
    j = "${foo.bar}"
  }
}

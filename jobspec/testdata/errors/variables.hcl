# test -var unknown=1
# test -var count=many
# test -var ratio=1 +
# test -var size=20
# test -var flag=perhaps
# test -var-file bad.hcl
variable "count" {
  type = number
}
variable "ratio" {
  type = number
}
variable "none" {}
variable "size" {
  type = number
  validation {
    condition     = var.size < 10
    error_message = "Size must be below 10."
  }
}
variable "flag" {
  type      = bool
  sensitive = true
}
variable "flag" {}
variable "a b" {}
variable "odd" {
  default = 1
  typo    = 2
  check {}
}
variable "listed" {
  type    = list(number)
  default = ["x"]
}
variable "noted" {
  type    = thing
  default = 1
}
variables {
  count = 3
}
job "x" {}

job "empty" {}

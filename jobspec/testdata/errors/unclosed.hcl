job "x" {
  group "g" {
    count = 3

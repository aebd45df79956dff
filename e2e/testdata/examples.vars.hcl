from_file = {
  k = "v"
}

job "x" {
  dynamic "group" {
    content {}
  }
  dynamic "group" {
    for_each = ["a"]
  }
  dynamic "group" {
    for_each = 5
    labels   = ["g"]
    content {}
  }
  dynamic "group" {
    for_each = ["a"]
    labels   = [group.valu]
    content {}
  }
  dynamic {
    for_each = []
  }
  dynamic "grupp" {
    for_each = ["a"]
    content {}
  }
  dynamic "group" {
    for_eech = ["a"]
    for_each = ["b"]
    labels   = [[]]
    content {
      count = grp.value
    }
  }
}

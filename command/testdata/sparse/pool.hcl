node_pool "x" {}

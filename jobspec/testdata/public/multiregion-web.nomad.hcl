job "multi" {
  multiregion {
    strategy {
      max_parallel = 1
      on_failure   = "fail_all"
    }

    region "west" {
      count       = 2
      datacenters = ["west-1"]
      node_pool   = "west"
      meta {
        my-key = "my-value-west"
      }
    }

    region "east" {
      count       = 5
      datacenters = ["east-1", "east-2"]
      meta {
        my-key = "my-value-east"
      }
    }
  }

  update {
    max_parallel     = 1
    min_healthy_time = "10s"
    healthy_deadline = "2m"
    auto_revert      = true
  }

  group "cache" {
    count = 0
    task "redis" {
      driver = "docker"
      config {
        image = "redis:7"
      }
    }
  }
}

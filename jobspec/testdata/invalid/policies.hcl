job "policies" {
  update {
    max_parallel      = -1
    health_check      = "hope"
    min_healthy_time  = "10m"
    healthy_deadline  = "5m"
    progress_deadline = "1m"
    auto_promote      = true
    stagger           = "-1s"
  }
  migrate {
    health_check     = "manual"
    min_healthy_time = "-1s"
  }
  reschedule {
    attempts       = 3
    unlimited      = true
    delay          = "1s"
    delay_function = "linear"
    max_delay      = "0s"
  }
  group "g" {
    shutdown_delay = "-1s"
    restart {
      attempts = 10
      delay    = "1m"
      interval = "5m"
      mode     = "retry"
    }
    disconnect {
      lost_after           = "1m"
      stop_on_client_after = "1m"
      reconcile            = "newest"
    }
    scaling {
      min = 5
      max = 2
    }
    task "t" {
      driver = "mock"
      restart {
        attempts = 0
        interval = "1s"
        mode     = "delay"
      }
    }
  }
  group "h" {
    scaling {
      min = 1
    }
    reschedule {
      attempts  = 2
      interval  = "1s"
      delay     = "10s"
      unlimited = false
      delay_function = "constant"
    }
    task "t" {
      driver = "mock"
    }
  }
}

# A job says what shall run, and how many times. Selfheal finds the nodes for it,
# and keeps it so: a task that dies is started again, a node that dies is
# replaced by another.
#
#   selfheal job plan example.nomad.hcl  what would change
#   selfheal job run  example.nomad.hcl  make it so, and watch
#   selfheal job status example          how it is

# A value that can be given on the command line: -var instances=5
variable "instances" {
  description = "How many web servers shall run."
  type        = number
  default     = 3
}

job "example" {
  # "service" runs for ever, "batch" runs to its end, "system" runs once on
  # every node, "sysbatch" runs to its end on every node.
  type = "service"

  # Where it may run. Names may hold *, as in "eu-*"; the default is everywhere.
  datacenters = ["*"]

  # Only on nodes that fit. ${attr...}, ${meta...} and ${node...} are looked up
  # on each node; "selfheal node status -verbose ID" lists them.
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  # How a new version replaces the old one: two at a time, each healthy for ten
  # seconds before the next two, and back to the old version if that fails.
  update {
    max_parallel     = 2
    min_healthy_time = "10s"
    healthy_deadline = "2m"
    auto_revert      = true
  }

  # The tasks of a group run together on one node. An instance of a group is an
  # allocation; there are as many as count says.
  group "web" {
    count = var.instances

    network {
      # A free port of the node, different on each. For a fixed one, write
      # static = 8080 inside the braces.
      port "http" {}
    }

    # Announces every running instance under one name.
    service {
      name     = "web"
      port     = "http"
      provider = "nomad"
    }

    # A task that fails is started again on its node: at most twice in half an
    # hour, 15 seconds apart ...
    restart {
      attempts = 2
      interval = "30m"
      delay    = "15s"
      mode     = "fail"
    }

    # ... and after that on another node, waiting longer each time.
    reschedule {
      delay          = "30s"
      delay_function = "exponential"
      max_delay      = "1h"
      unlimited      = true
    }

    task "server" {
      # raw_exec starts a program of the node as it is.
      driver = "raw_exec"

      # The selfheal binary carries a small web server. It listens on the port
      # that it finds in the environment variable NOMAD_PORT_http.
      config {
        command = "selfheal"
        args    = ["demo-web"]
      }

      env {
        GREETING = "hello from ${NOMAD_ALLOC_ID} on ${node.unique.name}"
      }

      # What one instance needs: MHz of processor, MB of memory.
      resources {
        cpu    = 100
        memory = 64
      }

      # How long the program may take to stop after the signal.
      kill_timeout = "5s"
    }
  }
}

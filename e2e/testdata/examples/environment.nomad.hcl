job "environment" {
  type = "batch"

  meta {
    owner = "team-${NOMAD_REGION}"
  }

  group "g" {
    network {
      port "http" {}

      port "metrics" {
        to = 9100
      }
    }

    task "show" {
      driver = "raw_exec"

      env {
        GREETING  = "hello ${NOMAD_TASK_NAME}"
        WHERE     = "${node.unique.name}/${attr.kernel.name}"
        ADDR      = "${NOMAD_ADDR_http}"
        WITH_DASH = "a-b=c d"
      }

      meta {
        purpose = "test"
      }

      config {
        command = "/bin/sh"
        args = ["-c", <<SCRIPT
echo "greeting=$GREETING where=$WHERE dash=$WITH_DASH"
echo "port=$NOMAD_PORT_http addr=$ADDR metrics=$NOMAD_HOST_PORT_metrics"
echo "meta=$NOMAD_META_owner/$NOMAD_META_PURPOSE"
echo "name=$NOMAD_ALLOC_NAME index=$NOMAD_ALLOC_INDEX group=$NOMAD_GROUP_NAME dc=$NOMAD_DC namespace=$NOMAD_NAMESPACE"
echo "cpu=$NOMAD_CPU_LIMIT memory=$NOMAD_MEMORY_LIMIT"
test -w "$NOMAD_TASK_DIR" && test -d "$NOMAD_SECRETS_DIR" && test -w "$NOMAD_ALLOC_DIR" && echo "directories are there"
SCRIPT
        ]
      }

      resources {
        cpu    = 60
        memory = 70
      }
    }
  }
}

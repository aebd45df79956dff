job "elasticsearch" {
  type        = "service"
  datacenters = ["dc1"]

  meta {
    run_uuid = "${uuidv5("dns", "example.org")}"
  }

  group "master" {
    count = 3
    network {
      mode = "host"
      port "request" {}
      port "communication" { host_network = "default" }
    }
    task "elastic" {
      driver = "docker"
      kill_timeout = "300s"
      kill_signal  = "SIGTERM"
      config {
        image        = "docker.elastic.co/elasticsearch/elasticsearch:8.15.0"
        network_mode = "host"
        ulimit {
          memlock = "-1"
          nofile  = "65536"
          nproc   = "8192"
        }
        args = [
          "bash", "-c",
          <<-SH
            exec /usr/local/bin/docker-entrypoint.sh \
              -Ecluster.name=$${CLUSTER:-main} \
              -Ehttp.port=$NOMAD_PORT_request
          SH
          ,
        ]
      }
      env = {
        "discovery.type"        = "multi-node"
        "xpack.security.enabled" = false
        "ES_JAVA_OPTS"          = "-Xms${2 * 256}m -Xmx${2 * 256}m"
      }
      resources {
        memory = 1024
      }
    }
  }
}

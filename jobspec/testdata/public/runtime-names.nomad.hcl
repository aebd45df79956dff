job "names" {
  datacenters = ["${NOMAD_DC}"]
  meta {
    alloc  = "${NOMAD_ALLOC_ID}"
    both   = "a ${NOMAD_ALLOC_INDEX} b ${attr.unique.hostname} c"
    env    = "${env["HOME"]}"
    index  = "${meta["a.b"]}"
    caps   = upper("${node.class}")
    spaces = "${  NOMAD_IP_http  }"
    kept   = "$${literal}"
    double = "$$${NOMAD_X}"
    dashes = "${attr.platform.aws.instance-type}"
    plain  = "$HOME and $(date) and ${
    node.datacenter}"
    choice = "${true ? "yes ${NOMAD_GROUP_NAME}" : "no"}"
  }
  group "g" {
    service {
      name = "web-${NOMAD_META_color}"
      tags = ["${NOMAD_ALLOC_INDEX == 0 ? "a" : "b"}"]
    }
    task "t" {
      driver = "docker"
      config {
        image    = "${IMAGE}"
        hostname = NOMAD_TASK_NAME
        auth {
          username = "${registry.user}"
        }
        args = ["--${NOMAD_TASK_NAME}", "${device.ids}"]
      }
      env = {
        "${NOMAD_TASK_NAME}_KEY" = "value"
      }
    }
  }
}

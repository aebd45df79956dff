package jobspec

import (
	"encoding/json"
	"testing"
)

func TestSmoke(t *testing.T) {
	job, diags := Parse(Input{Path: "a.hcl", Body: []byte(`
variable "n" {
 type = number
 default = 3
}
locals { img = "x:${var.n}" }
job "web" {
  datacenters = ["dc1"]
  constraint { distinct_hosts = true }
  constraint {
    attribute = "${attr.kernel.name}"
    value = "linux"
  }
  group "g" {
    count = var.n
    network {
      port "http" { to = 80 }
      port "db" { static = 5432 }
    }
    dynamic "task" {
      for_each = ["a","b"]
      labels = [task.value]
      content {
        driver = "raw_exec"
        kill_timeout = "3s"
        config {
          command = "x"
          args = ["-p", "${NOMAD_PORT_http}-${local.img}"]
          mount {
            type = "bind"
            readonly = true
          }
        }
        env { A = 1 }
        meta = { "a.b" = "c" }
      }
    }
  }
}
`)})
	t.Log(diags)
	b, _ := json.MarshalIndent(job, "", " ")
	t.Log(string(b))
}

{
  "variable": {
    "count": {"type": "number", "default": 2, "validation": {"condition": "${var.count > 0}", "error_message": "too few"}}
  },
  "locals": {"team": "shop-${var.count}"},
  "job": {
    "web": {
      "//": "a comment",
      "datacenters": ["dc1", "${local.team}"],
      "meta": {"team": "${local.team}", "a.b": "\"quoted\" ${node.class} ${meta[\"x y\"]}"},
      "constraint": [{"attribute": "${attr.kernel.name}", "value": "linux"}, {"distinct_hosts": true}],
      "heal": {"budget": 1, "slow": {"threshold": 2.5}},
      "group": {
        "front": {
          "count": "${var.count}",
          "dynamic": {"service": [{"for_each": ["a", "b"], "iterator": "svc", "content": {"name": "${svc.value}", "port": "http", "meta": [{"key": "${svc.key}"}]}}]},
          "network": {"port": {"http": {"to": 80}, "admin": [{"static": 9000}]}},
          "ingress": {"shop": {"host": "shop.example.org"}},
          "volume": {"data": {"type": "host", "source": "data"}},
          "task": [
            {
              "server": {
                "driver": "docker",
                "config": {"image": "nginx:1.27", "ports": ["http"], "labels": [{"a": "b"}]},
                "env": {"PORT": 80},
                "template": [{"data": "x\ny\n", "destination": "local/x"}]
              }
            },
            {"log": {"driver": "docker", "lifecycle": {"hook": "poststart", "sidecar": true}}}
          ]
        }
      }
    }
  }
}

{
  "job": {
    "web": {
      "datacenters": ["dc1"],
      "type": "service",
      "group": {
        "web": {
          "count": 1,
          "network": [{"port": {"http": {"to": 80}}}],
          "service": {"name": "web", "port": "http", "provider": "nomad", "check": [{"type": "http", "path": "/", "interval": "10s", "timeout": "2s"}]},
          "task": {
            "nginx": {
              "driver": "docker",
              "config": {"image": "nginx:1.27", "ports": ["http"]},
              "env": {"NODE": "${node.unique.name}"}
            }
          }
        }
      }
    }
  }
}

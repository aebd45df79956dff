{
  "Job": {
    "ID": "exported",
    "Name": "exported",
    "Type": "service",
    "Datacenters": ["dc1"],
    "Constraints": [{"LTarget": "${attr.kernel.name}", "RTarget": "linux", "Operand": "="}],
    "TaskGroups": [{
      "Name": "web",
      "Count": 2,
      "RestartPolicy": {"Attempts": 2, "Interval": 1800000000000, "Delay": 15000000000, "Mode": "fail"},
      "Networks": [{"DynamicPorts": [{"Label": "http", "To": 80}]}],
      "Tasks": [{
        "Name": "web",
        "Driver": "docker",
        "Config": {"image": "nginx", "ports": ["http"], "labels": [{"a": "b"}]},
        "Env": {"A": "1"},
        "Resources": {"CPU": 100, "MemoryMB": 64}
      }]
    }]
  }
}

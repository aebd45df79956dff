{
  "variable": {
    "image": [
      {
        "default": "redis:7",
        "type": "${string}"
      }
    ]
  },
  "job": {
    "example": [
      {
        "datacenters": ["dc1"],
        "group": {
          "cache": [
            {
              "network": [
                {
                  "port": {
                    "db": [{"to": 6379}]
                  }
                }
              ],
              "task": {
                "redis": [
                  {
                    "config": [
                      {
                        "auth_soft_fail": true,
                        "image": "${var.image}",
                        "logging": [{"config": [{"tag": "x"}], "type": "journald"}],
                        "ports": ["db"]
                      }
                    ],
                    "driver": "docker",
                    "identity": [{"env": true, "file": true}],
                    "resources": [{"cpu": 500, "memory": 256}]
                  }
                ]
              }
            }
          ]
        }
      }
    ]
  }
}

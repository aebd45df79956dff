{
  "jbo": {},
  "job": {
    "web": {
      "priorty": 1,
      "group": {
        "g": {
          "count": "${var.missing}",
          "dynamic": {"port": {"for_each": []}},
          "task": "t"
        }
      }
    }
  }
}

{
  "Job": {
    "ID": "x",
    "TaskGroup": [],
    "TaskGroups": [
      {"Name": "g", "Cuont": 3, "Tasks": [{"Name": "t", "Config": {"Anything": 1}, "Resources": {"CPUs": 1}}]}
    ]
  }
}

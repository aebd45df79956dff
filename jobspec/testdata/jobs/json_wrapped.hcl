{
  "Job": {
    "ID": "from-json",
    "Type": "service",
    "VaultToken": "",
    "TaskGroups": [
      {
        "Name": "g",
        "Count": 2,
        "Tasks": [
          {"Name": "t", "Driver": "raw_exec", "Config": {"command": "x"}, "KillTimeout": 5000000000}
        ]
      }
    ]
  }
}

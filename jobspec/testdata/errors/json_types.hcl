{"ID": "x", "TaskGroups": [{"Name": "g", "ShutdownDelay": "30s"}]}

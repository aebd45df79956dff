{"ID": "bare", "Name": "bare", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "t", "Driver": "exec", "Config": {"command": "x", "any": {"thing": [1]}}}]}]}

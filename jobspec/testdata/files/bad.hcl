undeclared = 1
cuont      = 2

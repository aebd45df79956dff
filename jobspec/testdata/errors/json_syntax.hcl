{
  "Job": {
    "ID": "x",
    "Count" 3
  }
}

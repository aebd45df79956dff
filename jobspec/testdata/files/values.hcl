# Variable values, as -var-file takes them.
password = "hunter2 on ${NOMAD_ALLOC_ID}"
team     = "edge"
limits = {
  cpu = 250
}

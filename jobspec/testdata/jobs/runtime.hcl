# Names that only the node knows survive, alone and mixed with names known now.
# FOO is not declared anywhere; it stays as text, with a warning.
variable "x" {
  default = "known"
}

job "runtime" {
  meta {
    alone    = "${attr.kernel.name}"
    mixed    = "${var.x}-${NOMAD_ALLOC_ID}-${meta.rack}"
    spaced   = "${ node.unique.id }"
    dashed   = "${meta.my-key}"
    indexed  = "${env["HOME"]}"
    device   = "${device.vendor}"
    bare     = attr.cpu.arch
    choice   = var.x == "known" ? "${node.class}" : "none"
    upper    = "${FOO}"
    escaped  = "$${FOO} %%{if}"
    shadowed = join(",", [for node in ["a", "b"] : node])
  }

  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "${NOMAD_TASK_DIR}/run"
        nested = {
          list = [{ addr = "${NOMAD_ADDR_http}" }]
        }
      }
    }
  }
}

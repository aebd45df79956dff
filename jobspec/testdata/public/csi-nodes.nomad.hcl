job "plugin-nfs-nodes" {
  datacenters = ["dc1"]
  type = "system"
  group "nodes" {
    task "plugin" {
      driver = "docker"
      config {
        image        = "registry.example.org/csi-plugin-nfs:0.7.0"
        args         = ["--type=node", "--node-id=${attr.unique.hostname}", "--nfs-server=${NFS_ADDRESS}:/srv/nfs"]
        network_mode = "host"
        privileged   = true
      }
      csi_plugin {
        id   = "nfs"
        type = "node"
      }
    }
  }
}

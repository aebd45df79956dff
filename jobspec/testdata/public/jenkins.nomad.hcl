job "jenkins" {
  type = "service"
  datacenters = ["dc1"]
  update {
    stagger      = "30s"
    max_parallel = 1
  }
  constraint {
    attribute = "${driver.java.version}"
    operator  = ">"
    value     = "1.7.0"
  }
  group "web" {
    count = 1
    # Size of the ephemeral storage for Jenkins. Consider that depending
    # on job count and size it might require larger storage.
    ephemeral_disk {
      migrate = true
      size    = "1500"
      sticky  = true
    }
    network {
      port "http" { }
      port "slave" { }
    }
    task "frontend" {
      env {
        JENKINS_HOME           = "/alloc/data"
        JENKINS_SLAVE_AGENT_PORT = 5050
      }
      driver = "java"
      config {
        jar_path    = "local/jenkins.war"
        jvm_options = ["-Xmx768m", "-Xms384m"]
        args        = ["--httpPort=${NOMAD_PORT_http}"]
      }
      artifact {
        source = "http://ftp-chi.osuosl.org/pub/jenkins/war-stable/latest/jenkins.war"
        options {
          checksum = "sha256:b2b7a8a8a3f0e0f1c9b55bbaa2dd0d5f1bd2a7a0d5f41b3f67f6dce5dfb0dd0e"
        }
      }
      logs {
        max_files     = 2
        max_file_size = 10
      }
      resources {
        cpu    = 2400
        memory = 768
      }
    }
  }
}

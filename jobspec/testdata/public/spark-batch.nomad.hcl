job "spark-pi" {
  datacenters = ["dc1"]
  type        = "batch"
  priority    = 40
  all_at_once = true

  group "driver" {
    task "driver" {
      leader = true
      driver = "java"

      config {
        class       = "org.apache.spark.deploy.SparkSubmit"
        class_path  = "${NOMAD_TASK_DIR}/spark/jars/*"
        jvm_options = ["-Xmx1024m", "-Xms256m"]
        args        = ["--master", "nomad", "local/app.jar", "1000"]
      }

      artifact {
        source = "https://archive.example.org/spark-3.5.1-bin-hadoop3.tgz"
      }

      shutdown_delay = "2s"

      resources {
        cores  = 2
        memory = 2048
      }
    }
  }

  group "executor" {
    count = 10

    constraint {
      distinct_property = "${meta.rack}"
      value             = "2"
    }

    task "executor" {
      driver = "java"
      config {
        jar_path = "local/executor.jar"
      }

      constraint {
        attribute = "${attr.driver.java.version}"
        operator  = "version"
        value     = ">= 17, < 22"
      }

      resources {
        cpu    = 2000
        memory = 4096
        disk   = 100
        iops   = 10
      }
    }
  }
}

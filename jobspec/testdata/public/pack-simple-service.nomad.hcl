# As a pack renders it: odd spacing, trailing blank lines, quoted numbers.
job "simple-service" {
  
  region      = "global"
  datacenters = ["dc1","dc2"]
  type = "service"
  


  group "app" {
    count = "2"

    network {
      
      port "http" {
        to = "8000"
      }
    }

    
    service {
      name = "simple-service"
      tags = [

"urlprefix-/",
"traefik.enable=true",
      ]
      port = "http"
      
      check {
        name     = "alive"
        type     = "http"
        path     = "/"
        interval = "10s"
        timeout  = "2s"
      }
      
    }
    

    restart {
      attempts = "2"
      interval = "30m"
      delay = "15s"
      mode = "fail"
    }

    task "server" {
      driver = "docker"

      config {
        image = "mnomitch/hello_world_server"
        ports = ["http"]
      }

      
      env {
        
        MESSAGE = "hello world"
        
      }
      

      resources {
        cpu    = "200"
        memory = "256"
      }
    }
  }
}

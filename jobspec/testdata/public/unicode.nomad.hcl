job "ünïcode" {
  meta {
    emoji   = "🚀 and \u00e9 and \U0001F600"
    escapes = "tab\there \"quoted\" back\\slash\nline"
    schlüssel = "wert"
  }
  group "grüße" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "echo"
        args    = ["日本語"]
      }
    }
  }
}

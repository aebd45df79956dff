# The functions that do not read files.
locals {
  numbers = [abs(-3), ceil(1.2), floor(1.8), max(1, 9, 4), min(4, 2), parseint("ff", 16), pow(2, 10), signum(-7), log(8, 2)]
}

job "functions" {
  meta = {
    numbers      = jsonencode(local.numbers)
    text         = join(",", [upper("a"), lower("B"), title("some words"), strrev("abc"), substr("hello", 1, 3), trimspace("  x "), chomp("y\n")])
    trims        = "${trim("??x??", "?")}${trimprefix("pre-a", "pre-")}${trimsuffix("b.txt", ".txt")}"
    replaced     = replace("a-b-c", "-", "_")
    by_pattern   = regex_replace("x12y", "[0-9]+", "#")
    found        = regex("[a-z]+", "12abc34")
    split        = element(split("/", "a/b/c"), 2)
    formatted    = format("%s-%03d", "n", 7)
    formatlist   = join(" ", formatlist("<%s>", ["a", "b"]))
    indented     = indent(2, "a\nb")
    length       = strlen("håll")
    collections  = jsonencode([chunklist([1, 2, 3], 2), compact(["a", "", "b"]), distinct([1, 1, 2]), flatten([[1], [2, [3]]]), slice([1, 2, 3, 4], 1, 3), sort(["b", "a"]), reverse([1, 2]), range(3), concat([1], [2])])
    maps         = jsonencode([keys({ a = 1 }), values({ a = 1 }), lookup({ a = 1 }, "b", 2), merge({ a = 1 }, { b = 2 }), zipmap(["k"], ["v"])])
    sets         = jsonencode([setunion(["a"], ["b"]), setintersection(["a", "b"], ["b"]), setsubtract(["a", "b"], ["b"]), setproduct(["a"], ["x", "y"])])
    choices      = coalesce("", "first")
    has          = contains(["a"], "a")
    encoded      = "${base64encode("hi")} ${base64decode("aGk=")} ${urlencode("a b&c")}"
    csv          = csvdecode("a,b\n1,2")[0].b
    json         = jsondecode("{\"x\":[1,2]}").x[1]
    yaml         = yamldecode("x: [1, 2]").x[0]
    yaml_out     = yamlencode({ a = [1] })
    date         = formatdate("YYYY-MM-DD", timeadd("2026-01-31T23:00:00Z", "2h"))
    hashes       = "${md5("x")} ${substr(sha1("x"), 0, 8)} ${substr(sha256("x"), 0, 8)} ${substr(sha512("x"), 0, 8)}"
    uuid         = uuidv5("dns", "example.com")
    addresses    = "${cidrhost("10.0.0.0/24", 5)} ${cidrnetmask("10.0.0.0/20")} ${cidrsubnet("10.0.0.0/8", 8, 3)} ${cidrsubnets("10.0.0.0/8", 8)[0]}"
    tried        = try(jsondecode("{").x, "fallback")
    can          = can(jsondecode("{"))
    converted    = convert("12", number) + 1
    tests        = "${startswith("abc", "ab")} ${endswith("abc", "bc")} ${strcontains("abc", "x")}"
    conditional  = length(local.numbers) > 3 ? "many" : "few"
  }

  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "x"
      }
    }
  }
}

package jobspec

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
)

// calls has an expression for every function of a job file, with what it yields.
// Examples of the public documentation are among them where it has any.
var calls = map[string]struct{ expr, want string }{
	"abs":             {`abs(-12.4)`, `12.4`},
	"abspath":         {`abspath("a/../b")`, `"/srv/b"`},
	"base64decode":    {`base64decode("SGVsbG8gV29ybGQ=")`, `"Hello World"`},
	"base64encode":    {`base64encode("Hello World")`, `"SGVsbG8gV29ybGQ="`},
	"basename":        {`basename("foo/bar/baz.txt")`, `"baz.txt"`},
	"bcrypt":          {`substr(bcrypt("hello", 4), 0, 7)`, `"$2a$04$"`},
	"can":             {`[can(1), can({}.x)]`, `[true, false]`},
	"ceil":            {`ceil(5.1)`, `6`},
	"chomp":           {`chomp("hello\n\n")`, `"hello"`},
	"chunklist":       {`chunklist(["a", "b", "c"], 2)`, `[["a", "b"], ["c"]]`},
	"cidrhost":        {`cidrhost("10.12.127.0/20", 268)`, `"10.12.113.12"`},
	"cidrnetmask":     {`cidrnetmask("172.16.0.0/12")`, `"255.240.0.0"`},
	"cidrsubnet":      {`cidrsubnet("172.16.0.0/12", 4, 2)`, `"172.18.0.0/16"`},
	"cidrsubnets":     {`cidrsubnets("10.1.0.0/16", 4, 4, 8)`, `["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/24"]`},
	"coalesce":        {`coalesce(null, "", "b")`, `"b"`},
	"coalescelist":    {`coalescelist([], ["c", "d"])`, `["c", "d"]`},
	"compact":         {`compact(["a", "", "b"])`, `["a", "b"]`},
	"concat":          {`concat(["a", ""], ["b", "c"])`, `["a", "", "b", "c"]`},
	"contains":        {`contains(["a", "b"], "a")`, `true`},
	"convert":         {`convert(["1", "2"], list(number))`, `[1, 2]`},
	"csvdecode":       {`csvdecode("a,b\n1,2\n")`, `[{"a": "1", "b": "2"}]`},
	"dirname":         {`dirname("foo/bar/baz.txt")`, `"foo/bar"`},
	"distinct":        {`distinct(["a", "b", "a"])`, `["a", "b"]`},
	"element":         {`element(["a", "b", "c"], 3)`, `"a"`},
	"endswith":        {`endswith("hello", "lo")`, `true`},
	"file":            {`file("hello.txt")`, `"hello ${x}\n"`},
	"filebase64":      {`filebase64("hello.txt")`, `"aGVsbG8gJHt4fQo="`},
	"fileexists":      {`[fileexists("hello.txt"), fileexists("gone")]`, `[true, false]`},
	"fileset":         {`fileset(".", "*.txt")`, `["hello.txt"]`},
	"flatten":         {`flatten([["a", "b"], [], ["c"]])`, `["a", "b", "c"]`},
	"floor":           {`floor(4.9)`, `4`},
	"format":          {`format("Hello, %s! %03d %q", "Ander", 4, "x")`, `"Hello, Ander! 004 \"x\""`},
	"formatdate":      {`formatdate("DD MMM YYYY hh:mm ZZZ", "2018-01-02T23:12:01Z")`, `"02 Jan 2018 23:12 UTC"`},
	"formatlist":      {`formatlist("Hello, %s!", ["A", "B"])`, `["Hello, A!", "Hello, B!"]`},
	"hasindex":        {`[hasindex(["a"], 0), hasindex(["a"], 1)]`, `[true, false]`},
	"indent":          {`indent(2, "a\nb")`, `"a\n  b"`},
	"index":           {`[index(["a", "b", "c"], 1), index({ "a" = 1, "c" = 2 }, "c")]`, `["b", 2]`},
	"join":            {`join(", ", ["foo", "bar"])`, `"foo, bar"`},
	"jsondecode":      {`jsondecode("{\"hello\": [1, true, null]}")`, `{"hello": [1, true, null]}`},
	"jsonencode":      {`jsonencode({ "hello" = "<world>" })`, `"{\"hello\":\"\\u003cworld\\u003e\"}"`},
	"keys":            {`keys({ b = 1, a = 2 })`, `["a", "b"]`},
	"length":          {`[length([]), length({ a = "b" })]`, `[0, 1]`},
	"log":             {`log(16, 2)`, `4`},
	"lookup":          {`lookup({ a = "ay" }, "c", "what?")`, `"what?"`},
	"lower":           {`lower("HELLO Ä")`, `"hello ä"`},
	"max":             {`max([12, 54, 3]...)`, `54`},
	"md5":             {`md5("hello world")`, `"5eb63bbbe01eeed093cb22bb8f5acdc3"`},
	"merge":           {`merge({ a = "b", c = "d" }, { e = "f", c = "z" })`, `{"a": "b", "c": "z", "e": "f"}`},
	"min":             {`min(12, 54, 3)`, `3`},
	"parseint":        {`[parseint("FF", 16), parseint("1011", 2)]`, `[255, 11]`},
	"pathexpand":      {`pathexpand("~/.ssh/id_rsa")`, `"/home/me/.ssh/id_rsa"`},
	"pow":             {`pow(3, 2)`, `9`},
	"range":           {`[range(3), range(1, 8, 2), range(4, 1)]`, `[[0, 1, 2], [1, 3, 5, 7], [4, 3, 2]]`},
	"regex":           {`[regex("[a-z]+", "53453453.345345aaabbbccc23454"), regex("(\\d\\d\\d\\d)-(\\d\\d)", "2019-02"), regex("^(?P<scheme>[^:/?#]+):", "https://x")]`, `["aaabbbccc", ["2019", "02"], {"scheme": "https"}]`},
	"regexall":        {`regexall("[a-z]+", "1234abcd5678efgh9")`, `["abcd", "efgh"]`},
	"regex_replace":   {`regex_replace("hello world", "w(.*)d", "[$${1}]")`, `"hello [orl]"`},
	"replace":         {`replace("1 + 2 + 3", "+", "-")`, `"1 - 2 - 3"`},
	"reverse":         {`reverse([1, 2, 3])`, `[3, 2, 1]`},
	"rsadecrypt":      {`can(rsadecrypt("aGVsbG8=", "no key"))`, `false`},
	"sethaselement":   {`sethaselement(toset(["a"]), "a")`, `true`},
	"setintersection": {`setintersection(["a", "b"], ["b", "c"])`, `["b"]`},
	"setproduct":      {`setproduct(["a", "b"], ["x"])`, `[["a", "x"], ["b", "x"]]`},
	"setsubtract":     {`setsubtract(["a", "b"], ["b"])`, `["a"]`},
	"setunion":        {`setunion(["a", "b"], ["b", "c"])`, `["a", "b", "c"]`},
	"sha1":            {`sha1("hello world")`, `"2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"`},
	"sha256":          {`sha256("hello world")`, `"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"`},
	"sha512":          {`substr(sha512("hello world"), 0, 12)`, `"309ecc489c12"`},
	"signum":          {`[signum(-13), signum(0), signum(344)]`, `[-1, 0, 1]`},
	"slice":           {`slice(["a", "b", "c", "d"], 1, 3)`, `["b", "c"]`},
	"sort":            {`sort(["e", "d", "a"])`, `["a", "d", "e"]`},
	"split":           {`split(",", "foo,,bar")`, `["foo", "", "bar"]`},
	"startswith":      {`startswith("hello", "he")`, `true`},
	"strcontains":     {`strcontains("hello", "ll")`, `true`},
	"strlen":          {`strlen("👾🕹️")`, `2`},
	"strrev":          {`strrev("hello")`, `"olleh"`},
	"substr":          {`substr("hello world", 1, 4)`, `"ello"`},
	"templatefile":    {`templatefile("greet.tpl", { who = "you" })`, `"hi you\n"`},
	"timeadd":         {`timeadd("2017-11-22T00:00:00Z", "10m")`, `"2017-11-22T00:10:00Z"`},
	"title":           {`title("hello world")`, `"Hello World"`},
	"tobool":          {`tobool("true")`, `true`},
	"tolist":          {`tolist(["a", 1])`, `["a", "1"]`},
	"tomap":           {`tomap({ a = 1, b = "x" })`, `{"a": "1", "b": "x"}`},
	"tonumber":        {`tonumber("1.5")`, `1.5`},
	"toset":           {`toset(["b", "a", "b"])`, `["a", "b"]`},
	"tostring":        {`tostring(1.5)`, `"1.5"`},
	"trim":            {`trim("?!hello?!", "!?")`, `"hello"`},
	"trimprefix":      {`trimprefix("helloworld", "hello")`, `"world"`},
	"trimspace":       {`trimspace("  hello\n\n")`, `"hello"`},
	"trimsuffix":      {`trimsuffix("helloworld", "world")`, `"hello"`},
	"try":             {`try({}.foo, "fallback")`, `"fallback"`},
	"upper":           {`upper("hello")`, `"HELLO"`},
	"urlencode":       {`urlencode("Hello World!/?")`, `"Hello+World%21%2F%3F"`},
	"uuidv4":          {`strlen(uuidv4())`, `36`},
	"uuidv5":          {`uuidv5("dns", "www.example.org")`, `"74738ff5-5367-5958-9aee-98fffdcd1876"`},
	"values":          {`values({ a = 3, c = 2, d = 1 })`, `[3, 2, 1]`},
	"yamldecode":      {`yamldecode("hello: world\nlist: [1, ~]")`, `{"hello": "world", "list": [1, null]}`},
	"yamlencode":      {`yamlencode({ a = "b", n = [1] })`, `"\"a\": \"b\"\n\"n\":\n- 1\n"`},
	"zipmap":          {`zipmap(["a", "b"], [1, 2])`, `{"a": 1, "b": 2}`},
}

// ofFiles are the functions whose answer a server does not have.
var ofFiles = strings.Fields("abspath file filebase64 fileexists fileset pathexpand templatefile")

func TestFunctions(t *testing.T) {
	fsys := fstest.MapFS{
		"srv/hello.txt": {Data: []byte("hello ${x}\n")},
		"srv/greet.tpl": {Data: []byte("hi ${who}\n")},
	}
	for name := range functions(Input{}, nil) {
		if _, ok := calls[name]; !ok {
			t.Errorf("no example for %s", name)
		}
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(call.expr, name+"(") {
				t.Fatalf("%s does not call %s", call.expr, name)
			}
			in := Input{Path: "x.hcl", Files: fsys, Dir: "/srv", Home: "/home/me", Body: []byte("job \"x\" {\n  task \"t\" {\n    config {\n      v = " + call.expr + "\n    }\n  }\n}\n")}
			job, diags := Parse(in)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var want any
			if err := json.Unmarshal([]byte(call.want), &want); err != nil {
				t.Fatal(err)
			}
			got := string(encode(t, job.TaskGroups[0].Tasks[0].Config["v"]))
			if got != string(encode(t, want)) {
				t.Errorf("%s = %s, want %s", call.expr, got, call.want)
			}
		})
	}
}

// TestNoFilesOnServers makes sure that no function of a server's parser reads a file.
func TestNoFilesOnServers(t *testing.T) {
	for _, name := range ofFiles {
		_, diags := Parse(Input{Path: "x.hcl", Body: []byte("job \"x\" {\n  task \"t\" {\n    config {\n      v = " + calls[name].expr + "\n    }\n  }\n}\n")})
		if !diags.HasErrors() {
			t.Errorf("%s answers without files", name)
		}
	}
}

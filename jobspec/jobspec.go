package jobspec

import (
	"bytes"
	"io/fs"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/nomad/api"
)

// MaxBody is the largest job file in bytes. A task configuration of half a
// megabyte is known in practice; beyond sixteen times that it is a mistake.
const MaxBody = 8 << 20

// Input is one job file with everything that it may refer to.
type Input struct {
	Path string // shown in diagnostics
	Body []byte // HCL2, in its native or JSON form, or the API's JSON: {"Job": {...}} or the bare job
	JSON bool   // Body is the API's JSON; else that is seen from the text

	// Vars are the values of -var by name, raw: a string needs no quotes when
	// the variable's type is string. Naming an undeclared variable is an error.
	Vars map[string]string

	// VarFiles are the files of -var-file; a later one wins over an earlier one.
	VarFiles []VarFile

	// EnvVars are the NOMAD_VAR_* of the environment, by variable name (the
	// prefix may be left on). Unknown names are ignored. Weakest of the three.
	EnvVars map[string]string

	// Strict makes an undeclared variable in Vars or a VarFile an error instead of a warning.
	Strict bool

	// Files is what file(), templatefile() and their like read from. Nil refuses
	// them, as a server must.
	Files fs.FS

	// Dir is where relative names start, as an absolute slash-separated path
	// inside Files. With os.DirFS("/") and the directory of the job file, absolute
	// names and ".." work as on the command line. Empty: the root of Files, and
	// absolute names are refused.
	Dir string

	// Home replaces a leading "~" in file names. Empty: "~" is refused.
	Home string
}

// VarFile is one file of variable values: HCL attributes, or a JSON object when
// Path ends in .json.
type VarFile struct {
	Path string
	Body []byte
}

// Parse reads a job file. The job is nil if and only if the diagnostics have
// errors; warnings may come with either. Defaults are not filled in (see
// Canonicalize) and values are not judged: every field of the Nomad job is carried,
// and Validate names those that this version does not support.
func Parse(in Input) (*api.Job, Diagnostics) {
	if len(in.Body) > MaxBody {
		return nil, Diagnostics{{File: in.Path, Summary: "job file is too large", Detail: "at most 8 MiB"}}
	}
	var job *api.Job
	var diags Diagnostics
	trimmed := bytes.TrimSpace(in.Body)
	switch {
	case len(trimmed) == 0 || trimmed[0] != '{':
		job, diags = parseHCL(in)
	case !in.JSON && isHCLJSON(in.Body):
		job, diags = parseHCLJSON(in)
	default:
		job, diags = parseJSON(in)
	}
	if diags.HasErrors() {
		job = nil
	}
	return job, diags.sorted()
}

func parseHCL(in Input) (*api.Job, Diagnostics) {
	if diags := checkNesting(in.Path, in.Body); diags.HasErrors() {
		return nil, diags
	}
	file, hclDiags := hclsyntax.ParseConfig(in.Body, in.Path, hcl.InitialPos)
	if hclDiags.HasErrors() {
		return nil, fromHCL(hclDiags)
	}
	return parseBody(in, file.Body.(*hclsyntax.Body), in.Body)
}

// parseHCLJSON reads the JSON form of HCL.
func parseHCLJSON(in Input) (*api.Job, Diagnostics) {
	j := &jsonSyntax{path: in.Path, src: in.Body}
	body, diags := j.body()
	if diags.HasErrors() {
		return nil, diags
	}
	job, more := parseBody(in, body, nil)
	return job, append(diags, more...)
}

// parseBody makes a job of a file whose syntax is known. Names that are kept are
// cut out of src, or written anew where that is nil.
func parseBody(in Input, body *hclsyntax.Body, src []byte) (*api.Job, Diagnostics) {
	root := splitRoot(body)
	cost := newBudget()
	n := &names{src: src, variables: root.variableNames(), locals: root.localNames(), cost: cost}
	root.resolve(n)

	e := &evaluation{in: in, functions: functions(in, cost), cost: cost}
	ctx := e.context(root)

	d := &decoder{cost: cost}
	diags := append(root.diags, n.diags...)
	diags = append(diags, e.diags...)
	if root.job == nil {
		return nil, diags
	}
	job := d.job(block{root.job, ctx})
	return job, append(diags, d.diags...)
}

// checkNesting refuses text nested so deeply that a recursive parser would
// exhaust its stack. Job files written by people nest about 15 deep.
func checkNesting(path string, src []byte) Diagnostics {
	const maxDepth, maxRun, maxChoices = 200, 100, 10_000
	tokens, _ := hclsyntax.LexConfig(src, path, hcl.InitialPos)
	depth, run, choices := 0, 0, 0
	for _, t := range tokens {
		depth = max(0, depth+nesting[t.Type])
		if t.Type == hclsyntax.TokenBang || t.Type == hclsyntax.TokenMinus {
			run++
		} else {
			run = 0
		}
		if t.Type == hclsyntax.TokenQuestion {
			choices++
		}
		if depth > maxDepth || run > maxRun || choices > maxChoices {
			return Diagnostics{Diagnostic{Summary: "job file is nested too deeply", Detail: "at most 200 levels of brackets, 100 of ! or -"}.at(t.Range)}
		}
	}
	return nil
}

// nesting is what each token does to the depth.
var nesting = map[hclsyntax.TokenType]int{
	hclsyntax.TokenOBrace: 1, hclsyntax.TokenCBrace: -1,
	hclsyntax.TokenOBrack: 1, hclsyntax.TokenCBrack: -1,
	hclsyntax.TokenOParen: 1, hclsyntax.TokenCParen: -1,
	hclsyntax.TokenTemplateInterp: 1, hclsyntax.TokenTemplateControl: 1, hclsyntax.TokenTemplateSeqEnd: -1,
	hclsyntax.TokenOQuote: 1, hclsyntax.TokenCQuote: -1,
	hclsyntax.TokenOHeredoc: 1, hclsyntax.TokenCHeredoc: -1,
}

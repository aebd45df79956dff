package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posener/complete"
)

// verb is everything about one command but its name.
type verb struct {
	args     string // what follows the flags, for the usage line
	min, max int    // how many of them; max -1 is any number
	short    string // one line, for lists
	long     string // paragraphs for the help
	flags    []flagRow
	local    bool // asks no agent: takes none of the shared flags
	commands bool // what follows the first argument is a command line of its own
	verbatim bool // run gets the arguments unparsed; flags are for the help only
	run      func(s *session, args []string) error

	predict complete.Predictor // completes args; nil predicts nothing
}

// entry is one row of the catalogue.
type entry struct {
	name   string // words, separated by one space
	make   func() verb
	hidden string // an alias of this name: not in lists
	old    bool   // an alias that only older scripts and tutorials have: not in any help
}

// entries is the catalogue: every noun's verbs, then the aliases.
type entries []entry

// aliases are short names for what one types most.
var aliases = [][2]string{
	{"run", "job run"}, {"plan", "job plan"}, {"stop", "job stop"}, {"start", "job start"},
	{"validate", "job validate"}, {"inspect", "job inspect"}, {"init", "job init"},
	{"logs", "alloc logs"}, {"exec", "alloc exec"},
}

// oldAliases are the spellings of older scripts and tutorials.
var oldAliases = [][2]string{
	{"fs", "alloc fs"}, {"alloc-status", "alloc status"}, {"eval-status", "eval status"}, {"node-status", "node status"}, {"node-drain", "node drain"},
	{"server-members", "server members"}, {"server-join", "server join"}, {"server-force-leave", "server force-leave"},
	{"client-config", "node config"}, {"keygen", "operator gossip keyring generate"}, {"operator keygen", "operator gossip keyring generate"},
}

// catalogue lists every command. The rows of a noun stand in its own file.
func catalogue() entries {
	all := slices.Concat(
		agentVerbs(), demoVerbs(),
		jobVerbs(), jobMoreVerbs(), allocVerbs(), nodeVerbs(), evalVerbs(), deploymentVerbs(),
		serverVerbs(), operatorVerbs(), systemVerbs(), namespaceVerbs(), serviceVerbs(), simulateVerbs(), foresightVerbs(), aclVerbs(), varVerbs(),
		nodePoolVerbs(), nodeMetaVerbs(), volumeVerbs(), scalingVerbs(), tlsVerbs(),
		snapshotVerbs(), autopilotVerbs(), keyringVerbs(), debugVerbs(), uiVerbs(), topVerbs(),
		plainVerbs(),
	)
	for _, alias := range slices.Concat(aliases, oldAliases) {
		e, _ := all.named(alias[1])
		all = append(all, entry{name: alias[0], make: e.make, hidden: alias[1], old: slices.Contains(oldAliases, alias)})
	}
	return all
}

func (es entries) named(name string) (entry, bool) {
	i := slices.IndexFunc(es, func(e entry) bool { return e.name == name })
	if i < 0 {
		return entry{}, false
	}
	return es[i], true
}

// check finds a word that is no command and says which is near.
func (es entries) check(args []string) error {
	if strings.HasPrefix(args[0], "-") {
		return nil
	}
	if !es.has(args[0]) {
		return usagef("no such command: %s%s", args[0], didYouMean(args[0], es.words("")))
	}
	name := args[0]
	for _, word := range args[1:] {
		if e, ok := es.named(name); ok && e.make().run != nil {
			return nil
		}
		if strings.HasPrefix(word, "-") {
			return nil
		}
		if !es.has(name + " " + word) {
			return usagef("no such command: %s %s%s", name, word, didYouMean(word, es.words(name)))
		}
		name += " " + word
	}
	return nil
}

// has reports whether name is a command or the beginning of one.
func (es entries) has(name string) bool {
	return slices.ContainsFunc(es, func(e entry) bool {
		return e.name == name || strings.HasPrefix(e.name, name+" ")
	})
}

// words are the words that may follow the command name, "" for the first.
func (es entries) words(name string) []string {
	var out []string
	for _, e := range es {
		rest, ok := e.name, true
		if name != "" {
			rest, ok = strings.CutPrefix(e.name, name+" ")
		}
		if word, _, _ := strings.Cut(rest, " "); ok && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// noun is a row that only groups: its help lists the verbs.
func noun(name, short string) entry {
	return entry{name: name, make: func() verb { return verb{args: "<verb>", short: short, local: true} }}
}

// adapter makes a verb a command of the library that routes to it.
type adapter struct {
	entry   entry
	session *session
	all     entries
}

// Synopsis is the line in lists.
func (a *adapter) Synopsis() string { return a.entry.make().short }

// Help is the text of -h.
func (a *adapter) Help() string { return helpText(a.entry.name, a.entry.make(), a.all) }

// HelpTemplate keeps the library from adding its own list of verbs.
func (a *adapter) HelpTemplate() string { return "{{.Help}}" }

// Run parses the flags and runs the verb.
func (a *adapter) Run(args []string) int {
	v := a.entry.make()
	if v.run == nil {
		a.session.out.Write([]byte(a.Help()))
		return ExitNoCommand
	}
	if !v.verbatim {
		rows := v.flags
		if !v.local {
			rows = append(slices.Clip(rows), a.session.sharedFlags()...)
		}
		var err error
		if args, err = v.parse(rows, args); err == nil {
			err = v.count(args)
		}
		if err != nil {
			return a.session.fail(a.entry.name, err)
		}
	}
	if f := a.session.flags; f.noColor || f.forceColor {
		a.session.color, a.session.errColor = !f.noColor, !f.noColor
	}
	if err := v.guarded(a.session, args); err != nil {
		return a.session.fail(a.entry.name, err)
	}
	return 0
}

// guarded runs the verb. The API's client panics on some answers that no agent of
// this version gives (a null for a token); a person gets a sentence for it.
func (v verb) guarded(s *session, args []string) (err error) {
	if !v.local && !s.strict {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the answer of %s is not one of this API: %v", s.address(), p)
			}
		}()
	}
	return v.run(s, args)
}

// parse sets the flags and returns the arguments.
func (v verb) parse(rows []flagRow, args []string) ([]string, error) {
	if v.commands {
		return parseLeadingFlags(rows, args)
	}
	return parseFlags(rows, args)
}

// count checks the number of arguments.
func (v verb) count(args []string) error {
	switch {
	case v.max == 0 && len(args) > 0:
		return usagef("takes no argument, but got %q", args[0])
	case len(args) < v.min:
		return usagef("wants %s", v.args)
	case v.max >= 0 && len(args) > v.max:
		return usagef("wants %s, but got %q as well", v.args, args[v.max])
	}
	return nil
}

// AutocompleteArgs completes what follows the flags.
func (a *adapter) AutocompleteArgs() complete.Predictor {
	v := a.entry.make()
	if v.predict != nil {
		return v.predict
	}
	if p := a.session.predictIDs(v.args); p != nil && !v.local {
		return p
	}
	return complete.PredictNothing
}

// AutocompleteFlags completes flags.
func (a *adapter) AutocompleteFlags() complete.Flags {
	v := a.entry.make()
	rows := v.flags
	if !v.local {
		rows = append(slices.Clip(rows), a.session.sharedFlags()...)
	}
	out := complete.Flags{}
	for _, r := range rows {
		words, isChoice := r.value.(choice)
		switch {
		case r.predict != nil:
			out["-"+r.name] = r.predict
		case isChoice:
			out["-"+r.name] = complete.PredictSet(words.of...)
		case r.arg == "":
			out["-"+r.name] = complete.PredictNothing
		default:
			out["-"+r.name] = complete.PredictAnything
		}
	}
	return out
}

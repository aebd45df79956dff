// Package config turns files and flags into one validated Config.
//
//	Default() or Dev()
//	      |
//	      v          each key that a later source names replaces the earlier value;
//	   files, dirs   maps merge key by key, join lists grow, a plugin block replaces
//	      |          the plugin block of the same name
//	      v
//	    flags        a row of the flag table is a key path: the same decoder reads it
//	      |
//	      v
//	   resolve       hostname, go-sockaddr templates, bind and advertise addresses
//	      |
//	      v
//	   Validate      every finding at once, each with the place where its key was set
//	      |
//	      v
//	(*Config, warnings, error)
//
// One reader serves HCL and JSON. A file becomes a tree of nodes with positions
// (syntax.go); the tree is decoded into the structs of this package by their `hcl` tags
// (decode.go). The key names are the ones that Nomad documents for its agent, so that
// existing files work. A documented key that has no meaning here is listed in
// ignored.go and earns one warning; any other unknown key is an error with a position
// and, where there is one, a near name. Nothing is ever started from a configuration
// with an error in it.
//
// What differs from Nomad on purpose: a later file may switch off what an earlier one
// switched on (`enabled = false` counts), and a bare number is not a duration.
package config

// Package acl says who may do what: the language of policies, and the rights that a
// set of policies compiles to. It is pure: no state, no clock, no I/O.
//
//	rules (HCL or JSON) ──▶ Parse ──▶ *Policy ─┐
//	                                 *Policy ─┼─▶ Compile ──▶ *ACL ──▶ AllowNamespace, AllowVariable,
//	                                 *Policy ─┘                        AllowNode, AllowHostVolume, ...
//
// Nothing is allowed that no rule grants. Of the rules whose label matches a name, the
// most specific one decides: the exact name, else the pattern whose stars stand for the
// fewest characters. What several policies say about one label adds up, but for "deny",
// which takes everything away.
//
// The language and its words are facts of Nomad's public ACL policy documentation.
package acl

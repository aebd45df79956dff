// Package simnet is a network that fits in a test: machines with one IP
// address each, TCP and UDP between them, and faults that a test causes by
// name. It is made for testing/synctest bubbles: every wait is durably
// blocking, time is the bubble's, and chance comes from a seed.
//
//	agent A                                       agent B
//	Host("10.0.0.1")                              Host("10.0.0.2")
//	   |  Dial, Listen, ListenPacket                 ^
//	   v                                             |
//	machine 10.0.0.1 ==== link 1->2 (delay, loss) ==> machine 10.0.0.2
//	  power, cable,  <=== link 2->1 (delay, loss) ===   power, cable,
//	  frozen?                 cut?                      frozen?
//
// A [Host] is the sockets of one process on one machine. [Net.Kill] and
// [Net.Crash] end the process: its handles answer net.ErrClosed for ever, and
// the process that a test starts in its place asks [Net.Host] for a new one.
//
//	fault       what the peers see
//	Unplug      silence; connections stall and go on after Plug
//	Crash       silence; after Plug the machine is up and knows no connection (RST)
//	Kill        EOF or RST at once, dials refused, datagrams vanish
//	Freeze      the kernel answers the dial, the process answers nothing
//	Partition   silence between two groups, Cut: in one direction only
//
// How the simulation differs from Linux: a Write blocks only beyond
// Config.Window bytes; a lost TCP segment costs one retransmission timeout and
// never a byte; timers of a frozen process still fire, but its reads, accepts,
// dials and datagrams wait for Thaw and its writes leave after Thaw.
package simnet

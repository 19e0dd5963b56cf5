package sockets

// TODO(1A): what EchoServer and KVServer have in common, if you like: to accept
// connections, to remember the open ones, to shut down.

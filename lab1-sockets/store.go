package sockets

// TODO(1C): the store: what each key holds, and until when.

package sockets

// TODO(1D): the receiving side: put the bytes in order, deliver each once,
// acknowledge what has come in order (RFC 9293, section 3.10.7.4), and tell how much
// more there is room for (section 3.8.6).

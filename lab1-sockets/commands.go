package sockets

// TODO(1C): the commands. The handout lists them; replies.go has what Redis says.

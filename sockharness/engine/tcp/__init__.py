"""Stream sockets: TCP and unix."""

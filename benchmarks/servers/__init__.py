"""Echo servers, one per compared peer; each prints its port and runs until it is killed."""

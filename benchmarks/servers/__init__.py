"""Echo servers, one for each peer that is compared; each prints its port and runs until killed."""

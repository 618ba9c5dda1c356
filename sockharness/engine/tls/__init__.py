"""TLS without sockets: options, contexts, sessions, and what they say about certificates.

A `Session` takes ciphertext in and gives plaintext out, and the other way round; `secure` splices
it into a socket. Only `context`, `session`, `certificate`, `identity` and `alerts` load
cryptography, and nothing loads them before TLS is used.
"""

"""Names of cipher suites and of groups: OpenSSL has its own, others use the registered ones."""

# OpenSSL's name of a group: Bun's name and size.
GROUPS = {
    "x25519": ("X25519", 253),
    "secp256r1": ("prime256v1", 256),
    "prime256v1": ("prime256v1", 256),
    "secp384r1": ("secp384r1", 384),
    "secp521r1": ("secp521r1", 521),
}


def standard_name(name: str) -> str:
    """Return the registered name of a cipher suite for OpenSSL's name of it (TLS-084)."""
    if name.startswith("TLS_"):
        return name
    exchange, _, rest = name.partition("-")
    if exchange in ("ECDHE", "DHE"):
        authentication, _, rest = rest.partition("-")
        exchange = f"{exchange}_{authentication}"
    elif exchange != "PSK":
        exchange, rest = "RSA", name
    words = rest.split("-")
    if words[0] == "CHACHA20":
        return f"TLS_{exchange}_WITH_CHACHA20_POLY1305_SHA256"
    return f"TLS_{exchange}_WITH_{_of_aes(words)}"


def _of_aes(words: list[str]) -> str:
    """Return `AES_128_GCM_SHA256` for `AES128 GCM SHA256`, `AES_128_CBC_SHA` for `AES128 SHA`."""
    cipher, bits = words[0].rstrip("0123456789"), words[0].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    mode = words[1:-1] or ["CBC"]
    if words[-1].startswith("CCM"):  # CCM has its hash in no name
        mode, words = [words[-1]], words[:-1]
        return "_".join([cipher, bits, *mode])
    return "_".join([cipher, bits, *mode, words[-1]])

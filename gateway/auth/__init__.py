"""Proof of who a client is, without I/O: bytes in, a step out.

Owns: the shape of an exchange, and SCRAM-SHA-256 on both sides.

Layers: `catalog.verifier` prepares a password and makes what is stored of it; `scram` runs the mechanism; `exchange` is
what doors see of any mechanism.

Lifecycle: one exchange a log-in. The door offers mechanisms, the peer picks one; each message of the peer gives
Continue (send, wait), Success (send, let in) or Failure (show, close).

Never: sockets, look-ups (the caller brings the verifier, or `mock_verifier` for an unknown user), a password kept.
Channel binding (SCRAM-SHA-256-PLUS) is not offered, so a client that insists on it is refused.

References: RFC 4013, 5802, 7677; PostgreSQL documentation, "SASL Authentication".
"""

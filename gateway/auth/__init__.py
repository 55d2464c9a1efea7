"""Proof of who a client is, without I/O: bytes in, a step out.

Owns: the shape of an exchange, SCRAM-SHA-256 on both sides, OAUTHBEARER, what tokens and certificates say, how many
failures are too many.

Layers: `catalog.verifier` prepares a password and makes what is stored of it; `scram` runs the mechanism; `bearer` is
another, over `token`; `certificate` reads X.509; `throttle` counts; `exchange` is what doors see of any mechanism.

Lifecycle: one exchange a log-in. The door offers mechanisms, the peer picks one; each message of the peer gives
Continue (send, wait), Inquire (find out, conclude), Success (send, let in) or Failure (show, close).

Never: sockets, look-ups (the caller brings the verifier, or `mock_verifier` for an unknown user), a password kept.

References: RFC 4013, 5802, 5929, 7677; PostgreSQL documentation, "SASL Authentication".
"""

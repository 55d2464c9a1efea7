"""The PostgreSQL protocol, 3.0 to 3.2, for both sides: a server to clients, a client to PostgreSQL itself.

Owns: messages and their bytes, who may say what and when, the errors of the wire, the doors, text and binary values.

Layers, from the bottom; the first three know no I/O:
- `messages`: one frozen class a message. `errors`: SqlError to fields and back.
- `codec`: messages to bytes and back, with `layout`, `fields`, `startup`, `frontend`, `backend`; `split` finds borders.
- `connection`: bytes in, messages out, by the tables of `state`. A `Connection` is either side of a conversation.
- `wire`: one client's socket and what is said on it, with `reading` and `writing`; `door`: what is heard, in order;
  `proxy`: what a balancer says before; `encryption`; `listener`: all doors, and their end.
- `handler`: the interface to what lies behind a door. `login`: the dialogues that authenticate, over `gateway.auth`.
- `types`, `encode`, `decode`: values of columns and parameters.

Lifecycle of a connection: a balancer's header, SSLRequest or a ClientHello (the door upgrades to TLS), StartupMessage
(the listener counts it in, a handler is made), `Handler.startup` (authenticates), then whole cycles through
`Handler.replay`, or message by message through `Handler.handle`. The door ends each cycle with ReadyForQuery, turns
what the handler raises into ErrorResponse, and calls `Handler.close` last. A CancelRequest comes on a connection of its
own; no client gets an answer.

Errors: a broken frame ends the connection (08P01, FATAL); a bad body in a whole frame is answered (08P01 or 22021,
ERROR), and in the extended protocol all up to Sync is dropped; as PostgreSQL 18 does. Where PostgreSQL closes without a
word (impossible lengths), we say why first.

Never: SQL, waiting inside the state machine, a length or count that is believed before it is checked, unencrypted bytes
taken over into TLS, a task for what can be answered at once.

References: PostgreSQL 18 documentation, "Frontend/Backend Protocol"; `postgres.c`, `pqformat.c`, `backend_startup.c`.
"""

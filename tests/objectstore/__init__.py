"""A real S3 server for tests: SeaweedFS, with signatures checked, IAM roles and STS.

`build` makes its program from a Go module of ours, once; `server` runs it on loopback; `lake` puts tables there.
"""

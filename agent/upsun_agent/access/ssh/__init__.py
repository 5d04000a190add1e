"""SSH certificates: a key of our own, a certificate from the platform, and the configuration that makes ssh use both.

The private key stays in one private directory. It is on no mount: mounts are cloned into child environments and kept
in backups (https://developer.upsun.com/docs/learn/overview/build-deploy).
"""

"""SSH certificates: a key, a certificate from the platform, and the configuration with which ssh uses both.

The private key stays in one private directory. It is not on a mount: mounts are cloned into child environments and kept
in backups (https://developer.upsun.com/docs/learn/overview/build-deploy).
"""

"""The images that a project can use, as its capabilities list them."""

from __future__ import annotations

# Versions that are supported or legacy, by the type of image (meta.upsun.com/images).
VERSIONS = {
    "dotnet": ("10.0", "8.0"),
    "elixir": ("1.20", "1.19", "1.18"),
    "golang": ("1.26", "1.25"),
    "java": ("25", "21", "17"),
    "mariadb": ("12.3", "11.8", "11.4"),
    "memcached": ("1.6",),
    "mongodb": ("4.0",),
    "network-storage": ("1.0", "2.0"),
    "nodejs": ("26", "24", "22"),
    "opensearch": ("3", "2"),
    "php": ("8.5", "8.4", "8.3", "8.2"),
    "postgresql": ("18", "17", "16", "15", "14"),
    "python": ("3.14", "3.13", "3.12", "3.11", "3.10"),
    "rabbitmq": ("4.3",),
    "redis": ("8.8", "8.0", "7.2", "6.2"),
    "ruby": ("4.0", "3.4", "3.3"),
    "rust": ("1",),
    "solr": ("10.0", "9.9", "9.6", "9.4", "9.2", "9.1"),
    "valkey": ("9.0", "8.1", "8.0"),
    "varnish": ("9.0", "6.0"),
}


def images() -> dict[str, dict[str, dict[str, bool]]]:
    """Return every image with the versions that can be deployed."""
    return {name: {version: {"available": True} for version in versions} for name, versions in VERSIONS.items()}

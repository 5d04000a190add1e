"""The client of the Upsun API: authentication, reads, and requests that change something."""

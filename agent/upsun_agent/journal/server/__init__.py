"""The journal on a database server, for apps with several instances and for fleets."""

"""Real parts for the tests: Postfix, Prometheus, the agent as a process. All on loopback, all ended by process ID."""

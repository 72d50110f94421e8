"""A canary: a small request of our own to a server of completions now and then, for fleets where no tap may stand. The only thing here that makes work for others."""

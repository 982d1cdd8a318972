"""How the ledger's tables came to be what they are: one module a step, in `versions`."""

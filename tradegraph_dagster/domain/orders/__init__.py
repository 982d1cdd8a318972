"""Decision -> intents -> orders -> fills.

In: the persisted decision. Out: `orders`, `fills` and the ledger. Timing: the intent is stored
before anything is sent; the kill switch is read right before each send.
"""

"""Train the built-in model: from parallel texts to the three files that the product ships.

The package stands beside the product and imports nothing of it; see ``README.md``.
"""

"""Every rule of the product, one module for each thing a person or a worker does."""

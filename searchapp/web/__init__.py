"""The pages: forms, addresses and thin views over the services."""

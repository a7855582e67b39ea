"""Real servers for tests: private, on loopback, gone with the tests that started them."""

"""What every HTTP process shares: problem documents, access keys, composition and the server."""

"""What a person looks at: pages, pictures and videos."""

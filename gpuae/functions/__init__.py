"""What settings can name, one record each: its definition, its forms, what it asks for."""

"""Pictures from above: their shapes in metres, and their pixels."""

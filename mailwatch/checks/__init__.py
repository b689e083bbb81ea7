"""Active checks: each looks at one thing and tells what it found."""

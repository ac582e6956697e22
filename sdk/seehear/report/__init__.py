"""What people look at: pictures, progress, figures."""

"""Every picture: contact sheets, loops, color wheel, figures."""

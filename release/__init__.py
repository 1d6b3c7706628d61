"""Makes a release: builds it, looks into it, and tests it as it is installed (`make release`)."""

"""Names that strangers may give, which are shown as they are and break nothing."""

NAMES = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'single'",
    "$x_1$",
    "speed\u202e km/h",
    "x" * 200,
    "🙂 שלום",
)
